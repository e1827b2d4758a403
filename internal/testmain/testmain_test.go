package testmain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// leakEnv makes TestLeak, in a child process, leave something behind.
const leakEnv = "DIALSCOPE_TEST_LEAK"

func TestMain(m *testing.M) {
	Main(m,
		Helper("echo", func(args []string) int {
			fmt.Println(strings.Join(args, " "), os.Getenv(helperEnv))
			return len(args)
		}),
		Helper("wait", func([]string) int { <-time.After(time.Hour); return 0 }))
}

func TestHelper(t *testing.T) {
	t.Parallel()
	out, err := Command(t.Context(), "echo", "one", "-two").Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("exit: %v, want status 2", err)
	}
	if string(out) != "one -two \n" {
		t.Errorf("the helper printed %q", out)
	}
	if err := Command(t.Context(), doNothing).Run(); err != nil {
		t.Errorf("%s: %v", doNothing, err)
	}
	out, err = Command(t.Context(), "absent").CombinedOutput()
	if !errors.As(err, &exit) || exit.ExitCode() != 127 || !strings.Contains(string(out), `"absent"`) {
		t.Errorf("unknown helper: %v, %q", err, out)
	}
}

// TestLeak is run by TestLeaksFail in a child, which is to fail although the
// test passes.
func TestLeak(t *testing.T) {
	kind, ok := os.LookupEnv(leakEnv)
	if !ok {
		t.Skip("runs in a child process only")
	}
	if leave := leavings[kind]; leave != nil {
		leave(t)
	}
}

var leavings = map[string]func(t *testing.T){
	"nothing":   func(*testing.T) {},
	"goroutine": func(*testing.T) { go func() { select {} }() },
	"file": func(t *testing.T) {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, f)
	},
	"process": func(t *testing.T) {
		cmd := Command(context.Background(), "wait")
		dieWithParent(cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	},
}

// kept keeps what would else be collected.
var kept []any

func runLeak(t *testing.T, kind string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self(), "-test.run=^TestLeak$")
	cmd.Env = append(os.Environ(), leakEnv+"="+kind)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestLeaksFail(t *testing.T) {
	t.Parallel()
	for kind, named := range leakNames {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			out, code := runLeak(t, kind)
			if code != 1 || !strings.Contains(out, "left behind: "+named) {
				t.Errorf("exit %d, want 1 and %q:\n%s", code, named, out)
			}
		})
	}
	if out, code := runLeak(t, "nothing"); code != 0 || strings.Contains(out, "left behind") {
		t.Errorf("nothing left behind: exit %d\n%s", code, out)
	}
}

func TestAdded(t *testing.T) {
	t.Parallel()
	before := map[int]string{0: "/dev/null", 3: "socket:[1]", 4: "pipe:[2]"}
	after := map[int]string{0: "/dev/null", 3: "socket:[9]", 5: "pipe:[2]"}
	got := added(before, after)
	if len(got) != 2 || got[0] != 3 || got[1] != 5 {
		t.Errorf("added: %v, want the reused 3 and the new 5", got)
	}
}

// fake is a test that was skipped or failed.
type fake struct{ skipped, failed string }

func (*fake) Helper()                        {}
func (f *fake) Skipf(s string, args ...any)  { f.skipped = fmt.Sprintf(s, args...) }
func (f *fake) Fatalf(s string, args ...any) { f.failed = fmt.Sprintf(s, args...) }

func TestNeed(t *testing.T) {
	impossible := errors.New("no such thing here")
	for _, tt := range []struct {
		require string
		err     error
		want    fake
	}{
		{"", nil, fake{}},
		{"netns,raw", nil, fake{}},
		{"", impossible, fake{skipped: "raw: no such thing here"}},
		{"netns,rawest", impossible, fake{skipped: "raw: no such thing here"}},
		{"netns,raw", impossible, fake{failed: "raw is required (DIALSCOPE_REQUIRE) but not possible here: no such thing here"}},
	} {
		t.Setenv(requireEnv, tt.require)
		var got fake
		Check(&got, "raw", tt.err)
		if got.failed != "" {
			got.skipped = "" // Fatalf of a real test does not return
		}
		if got != tt.want {
			t.Errorf("require %q, %v: %+v, want %+v", tt.require, tt.err, got, tt.want)
		}
	}
}
