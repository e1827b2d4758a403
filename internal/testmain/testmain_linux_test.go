package testmain

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// leakNames is what the message says about what is left behind.
var leakNames = map[string]string{
	"goroutine": "found unexpected goroutines",
	"file":      "descriptor ",
	"process":   "process ",
}

// dieWithParent ends cmd with the thread that starts it (prctl(2)).
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// The gates agree with trying.
func TestGates(t *testing.T) {
	t.Parallel()
	for name, gate := range gates {
		if err := gate(); err != nil {
			t.Logf("%s: %v", name, err)
		}
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_TCP)
	if err == nil {
		syscall.Close(fd)
	}
	if (err == nil) != (rawSockets() == nil) {
		t.Errorf("raw socket: %v, gate: %v", err, rawSockets())
	}
	_, err = netns.New()
	if (err == nil) != (gates["netns"]() == nil) {
		t.Errorf("New: %v, gate: %v", err, gates["netns"]())
	}
}

// Without privileges the tests run as root of a user namespace, with a loopback
// of their own, and networks can be built.
func TestUserNamespace(t *testing.T) {
	t.Parallel()
	Need(t, "userns")
	cmd := exec.CommandContext(t.Context(), self(), "-test.run=^TestInUserNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), "DIALSCOPE_REQUIRE=netns,raw", "DIALSCOPE_TEST_WANT_USERNS=1")
	if os.Geteuid() == 0 {
		if _, err := os.Stat("/proc/self/uid_map"); err != nil {
			t.Skip(err)
		}
		if !wholeUserNamespace() {
			t.Skip("already root of a user namespace")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInUserNamespace") {
		t.Errorf("in the user namespace: %v\n%s", err, out)
	}
}

// wholeUserNamespace: the first user namespace maps every id to itself.
func wholeUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(b)), " ") == "0 0 4294967295"
}

// TestInUserNamespace is run by TestUserNamespace.
func TestInUserNamespace(t *testing.T) {
	if os.Getenv("DIALSCOPE_TEST_WANT_USERNS") == "" {
		t.Skip("runs in a child process only")
	}
	if wholeUserNamespace() || os.Geteuid() != 0 {
		t.Errorf("uid %d, not root of a user namespace", os.Geteuid())
	}
	Need(t, "netns", "raw")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialTimeout("tcp", l.Addr().String(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
