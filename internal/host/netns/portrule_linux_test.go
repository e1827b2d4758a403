package netns_test

import (
	"syscall"
	"testing"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// fib_rule_match, fib4_rule_action: a rule that refuses by port leaves other
// ports alone.
func TestRejectPort(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	for port, kind := range map[uint16]netns.RouteKind{80: netns.Prohibit, 81: netns.Unreachable, 82: netns.Blackhole} {
		if err := c.Client.RejectPort(port, kind); err != nil {
			t.Fatal(err)
		}
	}
	for port, errno := range map[uint16]syscall.Errno{
		80: syscall.EACCES, 81: syscall.ENETUNREACH, 82: syscall.EINVAL, 83: syscall.ECONNREFUSED,
	} {
		wantErrno(t, dial(t, c.Client, c.Server4, port, patience), errno)
		wantErrno(t, dial(t, c.Client, c.Server6, port, patience), errno)
	}
}
