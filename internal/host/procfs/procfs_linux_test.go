package procfs

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m) }

// enterNetNS puts the test's own thread into a new network namespace. The
// thread is never unlocked, so that the runtime ends it with the test.
func enterNetNS(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	testmain.Check(t, "netns", syscall.Unshare(syscall.CLONE_NEWNET))
}

func value(t *testing.T, name string) string {
	t.Helper()
	s, err := Sysctl(name)
	if err != nil {
		t.Fatal(err)
	}
	return s.Value
}

// Settings under net. are those of the calling thread's namespace, not of the
// process (proc_sys_compare, net_ctl_header_lookup).
func TestSysctlOfThread(t *testing.T) {
	const name = "net.ipv4.ip_local_port_range"
	outside := value(t, name)
	inside := make(chan string, 1)
	t.Run("namespace", func(t *testing.T) {
		defer close(inside)
		enterNetNS(t)
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000\t40007"), 0); err != nil {
			t.Fatal(err)
		}
		inside <- value(t, name)
	})
	if got, ran := <-inside; ran && got != "40000 40007" {
		t.Errorf("in the namespace: %q", got)
	}
	if got := value(t, name); got != outside {
		t.Errorf("outside: %q, was %q", got, outside)
	}
}

func TestSysctl(t *testing.T) {
	got, err := Sysctl("net.ipv4.tcp_syn_retries")
	if err != nil || got.Name != "net.ipv4.tcp_syn_retries" || got.Value == "" || strings.TrimSpace(got.Value) != got.Value {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Sysctl("net.ipv4.no_such_setting"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	for _, bad := range []string{"", ".", "net..ipv4", "net.//.//.//.etc.passwd", "./.x"} {
		if s, err := Sysctl(bad); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %+v, %v", bad, s, err)
		}
	}
}

func TestSysctlPath(t *testing.T) {
	got, err := sysctlPath("net.ipv4.conf.eth0/100.rp_filter")
	if want := "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func FuzzSysctlPath(f *testing.F) {
	for _, seed := range []string{"net.ipv4.tcp_syn_retries", "net.ipv4.conf.eth0/100.rp_filter", "//.//.etc", "..", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := sysctlPath(name)
		if err == nil && (!strings.HasPrefix(path, "/proc/sys/") || strings.Contains(path+"/", "/../") || strings.Contains(path, "//")) {
			t.Errorf("%q leads to %q", name, path)
		}
	})
}

func TestNoFile(t *testing.T) {
	before, err := NoFile()
	if err != nil {
		t.Fatal(err)
	}
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	if before.Name != "RLIMIT_NOFILE" || before.Soft != r.Cur || before.Hard != r.Max || before.Used < 3 {
		t.Errorf("%+v, getrlimit says %+v", before, r)
	}
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pipe[0])
	defer syscall.Close(pipe[1])
	after, err := NoFile()
	if err != nil || after.Used != before.Used+2 {
		t.Errorf("with a pipe: %+v, %v; before: %+v", after, err, before)
	}
}

// The question must be answerable when it matters: with no descriptor left.
func TestNoFileExhausted(t *testing.T) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	tight := r
	tight.Cur = 3 // standard input, output and error
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight); err != nil {
		t.Skipf("setrlimit: %v", err)
	}
	got, err := NoFile()
	if restore := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); restore != nil {
		t.Fatal(restore)
	}
	if err != nil || got.Used < got.Soft || got.Soft != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFileMax(t *testing.T) {
	got, err := FileMax()
	if err != nil || got.Name != "fs.file-max" || got.Used == 0 || got.Soft < got.Used {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseFileNr(t *testing.T) {
	got, err := parseFileNr("1984\t64\t9223372036854775807\n")
	want := &evidence.Limit{Name: "fs.file-max", Soft: 1<<63 - 1, Used: 1920}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func FuzzParseFileNr(f *testing.F) {
	for _, seed := range []string{"1984\t0\t9223372036854775807\n", "", "1 2", "1 2 3", "-1 0 5", "1 x 3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		l, err := parseFileNr(content)
		if (l == nil) != (err != nil) {
			t.Errorf("%q: %+v, %v", content, l, err)
		}
	})
}

func TestConntrack(t *testing.T) {
	got, err := Conntrack()
	if err != nil {
		t.Fatal(err)
	}
	_, absent := os.Stat("/proc/sys/net/netfilter/nf_conntrack_count")
	if (got == nil) != (absent != nil) {
		t.Errorf("%+v, stat: %v", got, absent)
	}
	if got != nil && (got.Max <= 0 || got.Count < 0 || got.Count > got.Max) {
		t.Errorf("%+v", got)
	}
}

func TestSecurity(t *testing.T) {
	got, err := Security()
	if err != nil || got.Seccomp < 0 || got.Seccomp > 2 || strings.ContainsAny(got.LSM+got.Profile, "\x00\n") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSecurityNoNewPrivs(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the setting cannot be taken back
	const prSetNoNewPrivs = 38
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	if got, err := Security(); err != nil || !got.NoNewPrivs {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseStatus(t *testing.T) {
	var got evidence.Security
	err := parseStatus("Name:\tsh\nCapEff:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n", &got)
	if want := (evidence.Security{Seccomp: 2, NoNewPrivs: true}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzParseStatus(f *testing.F) {
	for _, seed := range []string{"NoNewPrivs:\t1\nSeccomp:\t2\n", "Seccomp:", "Seccomp: x\n", "Name:\tSeccomp:\t2\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, status string) {
		var s evidence.Security
		if err := parseStatus(status, &s); err == nil && !strings.Contains(status, "Seccomp") && s.Seccomp != 0 {
			t.Errorf("%q: %+v", status, s)
		}
	})
}
