package dialscope

import "github.com/dialscope/dialscope/evidence"

// Counters are the octets that went over a connection in both directions, as
// the kernel counts them. Sent is not received: what the peer's kernel has
// acknowledged is with that kernel, not with the program there.
type Counters struct {
	Sent           uint64 `json:"sent"`           // the kernel took them from this program
	Acknowledged   uint64 `json:"acknowledged"`   // of Sent: the peer's kernel has them
	Unacknowledged uint64 `json:"unacknowledged"` // of Sent: nothing is known of them (SIOCOUTQ)
	Unsent         uint64 `json:"unsent"`         // of Unacknowledged: they never left this host
	Received       uint64 `json:"received"`       // they came in order, read or not
	Unread         uint64 `json:"unread"`         // of Received: this program has not read them (SIOCINQ)
}

func countersOf(f *evidence.Flow) Counters {
	return Counters{
		Sent: f.Sent, Acknowledged: f.Sent - min(f.Unacked, f.Sent), Unacknowledged: f.Unacked, Unsent: f.Unsent,
		Received: f.Received, Unread: f.Unread,
	}
}

// Counters are those of a watched connection when it was looked at last. It is
// false for a report of a dial alone, and where the system does not count.
func (r *Report) Counters() (Counters, bool) {
	if r.winner < 0 || r.winner >= len(r.Attempts) {
		return Counters{}, false
	}
	f, _, ok := evidence.Last[*evidence.Flow](r.Attempts[r.winner].Log)
	if !ok {
		return Counters{}, false
	}
	return countersOf(f), true
}

// Counters are those of now, also after the peer's FIN, or of when the connection
// failed or was closed. It is false where the system does not count, and for a
// connection without a descriptor.
func (c *Conn) Counters() (Counters, bool) {
	c.mu.Lock()
	over := c.failing || c.closed
	c.mu.Unlock()
	if !over {
		if f, _ := c.flow(); f != nil {
			return countersOf(f), true
		}
	}
	return c.Report().Counters()
}
