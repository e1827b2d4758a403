package cli

import (
	"fmt"

	"github.com/dialscope/dialscope/kernel"
)

// kernelTimes are the values of --kernel; the first is the default.
var kernelTimes = []string{"overdue", "first", "never"}

// listen prepares to hear what this host's kernel does with the packets of a
// dial. Where that is not possible a report says why; only who asks for it by
// --kernel first is told at once.
func (a *app) listen() (err error) {
	switch a.options.kernel {
	case "never":
	case "first":
		if a.events, err = kernel.Open(); err != nil {
			return fmt.Errorf("this host's kernel cannot be listened to (--kernel first): %w", err)
		}
	default:
		a.events = kernel.WhenOverdue()
	}
	return nil
}
