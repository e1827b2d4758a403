package cli

import (
	"fmt"
	"strings"

	"github.com/dialscope/dialscope/kernel"
)

// kernelTimes are the values of --kernel; the first is the default.
var kernelTimes = []string{"overdue", "first", "never"}

// hearKernel prepares to hear what this host's kernel does with the packets of a
// dial. Where that is not possible a report says why; only who asks for it by
// --kernel first is told at once.
func (a *app) hearKernel() (err error) {
	udp := strings.HasPrefix(a.options.network, "udp")
	switch when := a.options.kernel; {
	case when == "never":
		return nil
	case when == "first":
		if a.events, err = kernel.Open(); err != nil {
			return fmt.Errorf("this host's kernel cannot be listened to (--kernel first): %w", err)
		}
		return nil
	case udp: // the one datagram is not sent again
		if a.events, err = kernel.Open(); err == nil {
			return nil
		}
	}
	a.events = kernel.WhenOverdue()
	return nil
}
