package sock

import (
	"strings"
	"syscall"
)

// SendFlag is one flag of send(2), by a number of our own: the systems number
// them differently, and not every system has every one.
type SendFlag uint

// The flags.
const (
	DontRoute SendFlag = 1 << iota
	DontWait
	EndOfRecord
	OutOfBand
	More
	NoSignal
)

// sendFlagNames are in the order of the bits, as send(2) spells them.
var sendFlagNames = [...]string{"MSG_DONTROUTE", "MSG_DONTWAIT", "MSG_EOR", "MSG_OOB", "MSG_MORE", "MSG_NOSIGNAL"}

// String is "MSG_OOB|MSG_MORE", and "0" without any.
func (f SendFlag) String() string {
	var names []string
	for i, name := range sendFlagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "0"
	}
	return strings.Join(names, "|")
}

// SendFlagOf is the flag of a name: "MSG_OOB", "oob", also "urgent" for it.
func SendFlagOf(name string) (SendFlag, bool) {
	upper := strings.ToUpper(name)
	if upper == "URGENT" {
		return OutOfBand, true
	}
	for i, known := range sendFlagNames {
		if upper == known || upper == known[len("MSG_"):] {
			return 1 << i, true
		}
	}
	return 0, false
}

// Send sends b with flags and waits where it must, until all of it is with the
// kernel or the connection's write deadline has passed. With DontWait it sends
// once and does not wait: then n may be less than len(b), with EAGAIN. The
// error is an errno, one of the connection's own (a deadline, closed), or
// errors.ErrUnsupported.
func Send(c syscall.RawConn, b []byte, flags SendFlag) (n int, err error) { return send(c, b, flags) }
