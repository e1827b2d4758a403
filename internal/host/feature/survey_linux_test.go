package feature

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/testmain"
)

// childVariable makes the test binary print its survey and end: a survey of
// another user.
const childVariable = "DIALSCOPE_FEATURE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(Survey()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// surveyOf runs the survey as a user without privileges.
func surveyOf(t *testing.T, uid uint32) []Feature {
	t.Helper()
	var missing error
	if os.Getuid() != 0 {
		missing = errors.New("only root can become another user")
	}
	testmain.Check(t, "raw", missing)
	// By its link in /proc the binary is reached without passing through the
	// directories above it, which are root's own.
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), childVariable+"=1")
	child.Dir = "/"
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := child.Output()
	if err != nil {
		t.Fatalf("survey of uid %d: %v", uid, err)
	}
	var all []Feature
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return all
}

func wellFormed(t *testing.T, all []Feature) {
	t.Helper()
	seen := make(map[string]bool)
	for _, f := range all {
		if f.ID == "" || f.Title == "" || f.Why == "" || f.Adds == "" || seen[f.ID] {
			t.Errorf("incomplete or double: %+v", f)
		}
		if f.State == Yes && f.Needs != "" {
			t.Errorf("open, and yet it needs something: %+v", f)
		}
		seen[f.ID] = true
	}
	if len(all) != len(probes) {
		t.Errorf("%d features, %d probes", len(all), len(probes))
	}
}

func wantStates(t *testing.T, all []Feature, want State, ids ...string) {
	t.Helper()
	for _, id := range ids {
		f, ok := Find(all, id)
		if !ok || f.State != want {
			t.Errorf("%s: %v, want %v: %s", id, f.State, want, f.Why)
		}
	}
}

// forEveryone are the sources that need no privilege (causes.md, "What can be
// known without privileges").
var forEveryone = []string{"error_queue", "tcp_info", "rtnetlink", "sock_diag", "counters"}

func TestSurvey(t *testing.T) {
	all := Survey()
	wellFormed(t, all)
	wantStates(t, all, Yes, forEveryone...)
}

func TestSurveyOfRoot(t *testing.T) {
	own, err := ownCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	var missing error
	if !hold(own.effective, []capability{netRaw, netAdmin}) {
		missing = errors.New("this user has not CAP_NET_RAW and CAP_NET_ADMIN")
	}
	testmain.Check(t, "raw", missing)
	wantStates(t, Survey(), Yes, "packets", "raw_socket", "mark")
}

func TestSurveyUnprivileged(t *testing.T) {
	all := surveyOf(t, 65534)
	wellFormed(t, all)
	wantStates(t, all, Yes, forEveryone...)
	wantStates(t, all, No, "packets", "raw_socket", "mark", "kernel_events", "nftables")
	for id, capability := range map[string]string{
		"packets": "net_raw", "raw_socket": "net_raw", "mark": "net_raw", "kernel_events": "cap_bpf,cap_perfmon", "nftables": "net_admin",
	} {
		f, _ := Find(all, id)
		if !strings.Contains(f.Why, "EPERM") || !strings.Contains(strings.ToLower(f.Needs), capability) &&
			!strings.Contains(f.Needs, "--cap-add") {
			t.Errorf("%s: why %q, needs %q", id, f.Why, f.Needs)
		}
	}
}

func TestSurveyLeavesNothingOpen(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	Survey()
	before := count()
	for range 10 {
		Survey()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// The probe of the ping socket says what the setting says.
func TestPingFollowsItsSetting(t *testing.T) {
	setting, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		t.Skip(err)
	}
	f := tryPing()
	if nobody := strings.Join(strings.Fields(string(setting)), " ") == "1 0"; nobody && (f.state != No || !strings.Contains(f.needs, "ping_group_range")) {
		t.Errorf("no group may open one: %+v", f)
	}
}

func TestRefused(t *testing.T) {
	if f := refused("x", syscall.ENOSYS, netRaw); f.state != No || f.needs != "" || !strings.Contains(f.why, "ENOSYS") {
		t.Errorf("%+v", f)
	}
	f := refused("x", syscall.EPERM, capability(63)) // nobody has it, nobody can be given it
	if f.state != No || !strings.Contains(f.why, "CAP_63") || !strings.Contains(f.needs, "--cap-add") {
		t.Errorf("outside the bounding set: %+v", f)
	}
	if got, want := setcap([]string{"CAP_BPF", "CAP_PERFMON"}), "sudo setcap cap_bpf,cap_perfmon+ep $(command -v dialscope)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseCapabilities(t *testing.T) {
	got, err := parseCapabilities("CapPrm:\t1\nCapEff:\t0000000000002000\nCapBnd:\t000001ffffffffff\n")
	if err != nil || !hold(got.effective, []capability{netRaw}) || hold(got.effective, []capability{netRaw, netAdmin}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "CapEff:\t0\n", "CapEff:\tx\nCapBnd:\t0\n"} {
		if c, err := parseCapabilities(bad); err == nil {
			t.Errorf("%q: %+v", bad, c)
		}
	}
}

func TestStateText(t *testing.T) {
	all := []Feature{{ID: "a", State: Yes}, {ID: "b", State: No}, {ID: "c"}}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"yes"`, `"no"`, `"unknown"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	var back []Feature
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, back); diff != "" {
		t.Error(diff)
	}
	if _, ok := Find(all, "z"); ok {
		t.Error("Find found what is not there")
	}
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add("CapEff:\t0000000000002000\nCapBnd:\t000001ffffffffff\n")
	f.Add("CapEff")
	f.Add("CapBnd:\t-1\nCapEff: 0")
	f.Fuzz(func(t *testing.T, status string) {
		if c, err := parseCapabilities(status); err == nil && !strings.Contains(status, "CapEff") {
			t.Errorf("%q: %+v", status, c)
		}
	})
}

func BenchmarkSurvey(b *testing.B) {
	for b.Loop() {
		Survey()
	}
}
