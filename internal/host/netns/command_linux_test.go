package netns_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestCommandRunsInside(t *testing.T) {
	t.Parallel()
	c := chain(t, 1)
	serve(t, c.Server, c.Server4, 80)
	to := netip.AddrPortFrom(c.Server4, 80).String()
	out, err := c.Client.Wrap(testmain.Command(t.Context(), "connect", to)).Output()
	if err != nil || !strings.HasPrefix(string(out), c.Client4.String()+":") {
		t.Errorf("connect from the client: %q, %v; want its address %s", out, err, c.Client4)
	}
	// Port 81, and the exit status of the helper.
	out, err = c.Client.Wrap(testmain.Command(t.Context(), "connect", strings.TrimSuffix(to, "0")+"1")).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "refused") {
		t.Errorf("connect to a closed port: %q, %v", out, err)
	}
	if err := c.Client.Command(t.Context(), "/nonexistent").Run(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
}

func TestUnprivileged(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	serve(t, c.Server, c.Server4, 80)
	out, err := c.Client.Wrap(testmain.Command(t.Context(), "status", "Uid", "Gid", "CapEff", "CapPrm", "CapAmb")).
		Unprivileged().Output()
	const want = "Uid 65534 65534 65534 65534\nGid 65534 65534 65534 65534\n" +
		"CapPrm 0000000000000000\nCapEff 0000000000000000\nCapAmb 0000000000000000\n"
	if err != nil || string(out) != want {
		t.Errorf("status: %v, got\n%swant\n%s", err, out, want)
	}
	to := netip.AddrPortFrom(c.Server4, 80).String()
	if err := c.Client.Wrap(testmain.Command(t.Context(), "connect", to)).Unprivileged().Run(); err != nil {
		t.Errorf("unprivileged connect: %v", err)
	}
}

// The errnos of seccomp(2) as the filter says, and of landlock(7).
func TestDeny(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	serve(t, c.Server, c.Server4, 80)
	to := netip.AddrPortFrom(c.Server4, 80).String()
	for policy, want := range map[netns.Policy]syscall.Errno{
		netns.Seccomp: syscall.EPERM, netns.Landlock: syscall.EACCES,
	} {
		for _, unprivileged := range []bool{false, true} {
			cmd := c.Client.Wrap(testmain.Command(t.Context(), "connect", to)).Deny(policy)
			if unprivileged {
				cmd.Unprivileged()
			}
			out, err := cmd.Output()
			if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
				testmain.Check(t, "netns", fmt.Errorf("policy %d: %w", policy, err))
			}
			if err == nil || !strings.Contains(string(out), want.Error()) {
				t.Errorf("policy %d, unprivileged %t: %q, %v; want %v", policy, unprivileged, out, err, want)
			}
		}
	}
	// No thread of this process is left under a policy.
	for range 64 {
		wantErrno(t, dial(t, c.Client, c.Server4, 80, patience), 0)
	}
}

// blocked starts a helper that never ends, and returns when it runs.
func blocked(t *testing.T, ctx context.Context, h *netns.Host) *netns.Cmd {
	t.Helper()
	cmd := h.Wrap(testmain.Command(ctx, "block"))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "running\n" {
		t.Fatalf("the helper said %q, %v", line, err)
	}
	return cmd
}

func TestCloseKillsProcesses(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := blocked(t, t.Context(), c.Client)
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := <-waited; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("Wait after Close: %v, want killed", err)
	}
	if err := c.Client.Command(t.Context(), "/proc/self/exe").Start(); err == nil {
		t.Error("a process was started in a closed network")
	}
}

func TestContextKillsProcess(t *testing.T) {
	t.Parallel()
	c := chain(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := blocked(t, ctx, c.Client)
	cancel()
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("Wait: %v, want killed", err)
	}
}

// A process that is killed takes its networks and the processes inside along.
func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	before := nsfsMounts(t)
	cmd := testmain.Command(t.Context(), "build")
	// The grandchild holds the pipe open too: its end is both processes' end.
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	if line, err := r.ReadString('\n'); line != "running\n" {
		t.Errorf("the grandchild said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("after the kill: %q, %v", rest, err)
	}
	_ = cmd.Wait()
	if after := nsfsMounts(t); after != before {
		t.Errorf("%d namespaces are mounted, %d were before", after, before)
	}
	if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child ended with %v", cmd.ProcessState)
	}
}

// build makes a network with a process in it that never ends by itself.
func build([]string) int {
	c, err := netns.NewChain(1)
	if err != nil {
		return 1
	}
	cmd := c.Server.Wrap(testmain.Command(context.Background(), "block"))
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		return 1
	}
	<-time.After(time.Hour)
	return 1
}

// nsfsMounts counts namespaces that are bound to files, as ip-netns(8) does it.
func nsfsMounts(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), " nsfs ")
}
