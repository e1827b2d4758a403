package listen

import "time"

// Personality is how a server treats its connections. The zero value reads and
// forgets what comes, says nothing, and closes when its peer has.
type Personality struct {
	Greeting string // said first, with the time and CR LF behind it; empty: nothing is said
	Reading  Reading
	Ending   Ending
	Delay    time.Duration // between accepting and doing anything else

	// CrashAfter is how long after its beginning a connection is forgotten
	// without a word: no FIN, no RST, as if this host had crashed and come back
	// (TCP_REPAIR, which needs CAP_NET_ADMIN). 0: never.
	CrashAfter time.Duration

	// NeverAccept leaves all connections in the kernel's queue.
	NeverAccept bool
}

// Reading is what becomes of the bytes that a peer sends.
type Reading int

// The readings.
const (
	Discard Reading = iota // RFC 863
	Echo                   // RFC 862
	Never                  // they stay in the kernel, until the window is closed
)

// Ending is when a connection is closed.
type Ending int

// The endings.
const (
	WithPeer   Ending = iota // when the peer has closed
	NeverClose               // not even then: the connection stays in CLOSE_WAIT
	CloseFirst               // FIN at once
	ResetFirst               // RST at once (SO_LINGER with no time)
)

// conflicts are options that contradict each other, by their names on the
// command line, and why.
var conflicts = []struct {
	one    string
	others []string
	why    string
}{
	{"never-accept", []string{"welcome", "speak-first", "silent", "echo", "discard", "never-read", "never-close", "reset", "close", "delay", "crash-after", "refuse-after", "count"},
		"nothing is done to a connection that is never accepted"},
	{"reset", []string{"close", "never-close", "crash-after", "welcome", "speak-first", "echo", "discard", "never-read", "silent"},
		"a connection that is reset at once has no other end and no conversation"},
	{"close", []string{"never-close", "crash-after", "echo", "never-read"},
		"a connection that is closed at once has no other end and nobody to read"},
	{"crash-after", []string{"never-close"}, "a crash is an end"},
	{"echo", []string{"discard", "never-read", "silent"}, "what is sent back has to be read, and is said"},
	{"discard", []string{"never-read"}, "what is thrown away has to be read"},
	{"silent", []string{"welcome", "speak-first"}, "a greeting is said"},
	{"udp", []string{"never-accept", "backlog", "refuse-after", "count", "reset", "close", "never-close", "crash-after", "speak-first", "keepalive", "user-timeout"},
		"a datagram socket has no connections"},
}

// Conflict is the first pair of contradicting options among those that set says
// are given.
func Conflict(set func(name string) bool) (one, other, why string, found bool) {
	for _, c := range conflicts {
		if !set(c.one) {
			continue
		}
		for _, other := range c.others {
			if set(other) {
				return c.one, other, c.why, true
			}
		}
	}
	return "", "", "", false
}
