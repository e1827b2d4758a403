package dialscope

import (
	"net/netip"

	"github.com/dialscope/dialscope/evidence"
)

// Trace is a set of optional hooks that run while a dial goes on, so that a
// program can show what happens as it happens. Attempts that race call the
// hooks from their own goroutines, one call at a time: the dialer serialises
// them. A hook must return quickly and must not dial through the same Dialer.
//
// The order for one target is: Observed with attempt -1 for the resolution;
// then for each attempt AttemptStart, Observed any number of times,
// AttemptDone. Attempts of a race overlap.
type Trace struct {
	// Observed fires for every observation as it enters the log. Attempt -1
	// is the target level (the name); others index [Report.Attempts] by the
	// order in which they began. Its time is since the dial began for -1, else
	// since the attempt began.
	Observed func(attempt int, e evidence.Entry)

	// AttemptStart fires before the attempt's socket is opened.
	AttemptStart func(attempt int, remote netip.AddrPort)

	// AttemptDone fires when the attempt's socket is connected or closed. The
	// log in it is complete.
	AttemptDone func(attempt int, a evidence.Attempt)
}
