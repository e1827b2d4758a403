package dialscope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// helpers are the programs that tests run inside a host: a dial's goroutines
// may be on any thread, so that the whole process has to be in the namespace.
func helpers() []testmain.Option {
	return []testmain.Option{testmain.Helper("dial", dialOrders), testmain.Helper("flight", flight)}
}

// order is one dial for a helper.
type order struct {
	Network, Target      string
	Source               string // address:port to bind
	Interface            string
	Reuse                bool // SO_REUSEADDR, by the caller's hook
	NoBroadcast          bool
	Thorough             bool
	HopLimit, SYNRetries int
	UserTimeout, Timeout time.Duration
	Probe                []byte
}

// outcome is what a helper saw.
type outcome struct {
	Errno  evidence.Errno // by errors.As
	Text   string
	Report *Report
}

// dialOrders makes the dials that stand on its standard input, at once or, with
// the argument "in-turn", one after the other, and prints what came of them.
// Connections stay open until the end.
func dialOrders(args []string) int {
	var orders []order
	if err := json.NewDecoder(os.Stdin).Decode(&orders); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	outcomes := make([]outcome, len(orders))
	var all sync.WaitGroup
	for i := range orders {
		dial := func() { outcomes[i] = orders[i].dial() }
		if len(args) > 0 && args[0] == "in-turn" {
			dial()
		} else {
			all.Go(dial)
		}
	}
	all.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(outcomes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (o *order) dial() (out outcome) {
	d := &Dialer{Timeout: o.Timeout, Interface: o.Interface, NoBroadcast: o.NoBroadcast, Thorough: o.Thorough,
		HopLimit: o.HopLimit, SYNRetries: o.SYNRetries, UserTimeout: o.UserTimeout, UDPProbe: o.Probe}
	if o.Source != "" {
		a := netip.MustParseAddrPort(o.Source)
		if d.LocalAddr = net.TCPAddrFromAddrPort(a); strings.HasPrefix(o.Network, "udp") {
			d.LocalAddr = net.UDPAddrFromAddrPort(a)
		}
	}
	if o.Reuse {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
			return err
		}
	}
	_, r, err := d.DialReport(context.Background(), o.Network, o.Target)
	out = outcome{Errno: errnoOf(err), Report: r}
	if err != nil {
		out.Text = err.Error()
	}
	return out
}

// errnoOf is the name of the errno that an application finds in an error.
func errnoOf(err error) evidence.Errno {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	for e, name := range map[syscall.Errno]evidence.Errno{
		syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ETIMEDOUT: "ETIMEDOUT", syscall.EHOSTUNREACH: "EHOSTUNREACH",
		syscall.ENETUNREACH: "ENETUNREACH", syscall.EACCES: "EACCES", syscall.EPERM: "EPERM", syscall.EINVAL: "EINVAL",
		syscall.EADDRNOTAVAIL: "EADDRNOTAVAIL", syscall.EADDRINUSE: "EADDRINUSE", syscall.EAGAIN: "EAGAIN",
		syscall.ENODEV: "ENODEV", syscall.EMSGSIZE: "EMSGSIZE",
	} {
		if e == errno {
			return name
		}
	}
	return evidence.Errno(errno.Error())
}

// dialIn makes the dials inside a host.
func dialIn(t *testing.T, h *netns.Host, orders []order, args ...string) []outcome {
	t.Helper()
	input, err := json.Marshal(orders)
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []outcome
	if err := json.Unmarshal(runIn(t, h, input, "dial", args...), &outcomes); err != nil {
		t.Fatal(err)
	}
	if len(outcomes) != len(orders) {
		t.Fatalf("%d outcomes of %d dials", len(outcomes), len(orders))
	}
	return outcomes
}

// runIn runs a helper inside a host.
func runIn(t *testing.T, h *netns.Host, input []byte, helper string, args ...string) []byte {
	t.Helper()
	cmd := h.Wrap(testmain.Command(t.Context(), helper, args...))
	cmd.Stdin = strings.NewReader(string(input))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if _, is := err.(*exec.ExitError); is {
		t.Fatalf("%v: %s%s", err, complaint.String(), output)
	} else if err != nil {
		t.Fatal(err)
	}
	return output
}

// chain is a network in a line.
func chain(t *testing.T, routers int) *netns.Chain {
	t.Helper()
	testmain.Need(t, "netns")
	c, err := netns.NewChain(routers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
