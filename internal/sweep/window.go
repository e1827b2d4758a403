package sweep

import "time"

// window is how many attempts may be in flight: additive increase,
// multiplicative decrease (Chiu and Jain, 1989) on signs that answers are lost
// because of the sweep itself. A sign is an answer that came only after the SYN
// was sent again, or a limit of this host. Silence by itself is none: most of
// what is swept may be silent.
type window struct {
	size, most int
	fast       bool // doubling: nothing has gone wrong yet

	ended, answered, resent int // since the last decision
	cut, grown              time.Duration
}

const (
	firstWindow = 512
	leastWindow = 16
	// heavy is the share of answers, a percentage, that may need a second SYN
	// before the window is halved; light is the share that still lets it grow.
	heavy, light = 10, 2
	// calm is how long a halving is given to show: longer than the first
	// retransmission takes (RFC 6298 §2: 1 s).
	calm = 1200 * time.Millisecond
)

func newWindow(most int) window {
	return window{size: min(most, firstWindow), most: most, fast: true, cut: -calm}
}

// doubling is how often a window that is full is doubled while nothing has gone
// wrong: silence says nothing for a whole timeout, and is not waited for.
const doubling = 25 * time.Millisecond

// full says that attempts wait for room.
func (w *window) full(now time.Duration) {
	if w.fast && now-w.grown >= doubling {
		w.size, w.grown = min(w.most, 2*w.size), now
	}
}

// done counts an attempt that ended.
func (w *window) done(now time.Duration, answered, resent bool) {
	w.ended++
	if answered {
		w.answered++
		if resent {
			w.resent++
		}
	}
	if w.ended < max(w.size, 64) {
		return
	}
	switch share := 100 * w.resent; {
	case w.resent > 2 && share > heavy*w.answered:
		w.halve(now)
	case share > light*w.answered:
		w.fast = false
	case w.fast:
		w.size = min(w.most, 2*w.size)
	default:
		w.size = min(w.most, w.size+max(w.size/16, leastWindow))
	}
	w.ended, w.answered, w.resent = 0, 0, 0
}

// fault is a limit of this host.
func (w *window) fault(now time.Duration, inFlight int) {
	w.size = min(w.size, max(inFlight, leastWindow)) // what did fit is known
	w.halve(now)
}

func (w *window) halve(now time.Duration) {
	w.fast = false
	if now-w.cut >= calm {
		w.size = max(min(leastWindow, w.most), w.size/2)
		w.cut = now
	}
}
