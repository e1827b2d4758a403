package netns_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// A control group's program denies one process, and both are gone afterwards.
func TestDenyByCgroup(t *testing.T) {
	testmain.Need(t, "bpf")
	c := chain(t, 0)
	serve(t, c.Server, c.Server4, 80)
	to := netip.AddrPortFrom(c.Server4, 80).String()
	out, err := c.Client.Wrap(testmain.Command(t.Context(), "connect", to)).Deny(netns.Cgroup).Output()
	if os.IsNotExist(err) {
		testmain.Check(t, "bpf", err) // no cgroup2 is mounted
	}
	if err == nil || !strings.Contains(string(out), syscall.EPERM.Error()) {
		t.Errorf("%q, %v; want EPERM", out, err)
	}
	wantErrno(t, dial(t, c.Client, c.Server4, 80, patience), 0)
	if out, err := c.Client.Wrap(testmain.Command(t.Context(), "connect", to)).Output(); err != nil {
		t.Errorf("without a policy: %q, %v", out, err)
	}
	left := func() (all []string) {
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			found, _ := filepath.Glob(filepath.Join(root, fmt.Sprintf("dialscope-%d-*", os.Getpid())))
			all = append(all, found...)
		}
		return all
	}
	for until := time.Now().Add(patience); len(left()) > 0 && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	if all := left(); len(all) > 0 {
		t.Errorf("left behind: %v", all)
	}
}
