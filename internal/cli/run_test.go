package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/series"
	"github.com/dialscope/dialscope/internal/golden"
)

// testApp is an app with an environment of its own, and its standard output.
func testApp(pairs ...string) (*app, *bytes.Buffer) {
	out := new(bytes.Buffer)
	o := new(options)
	o.colour = "auto"
	return &app{
		stdin: strings.NewReader(""), stdout: out, stderr: new(bytes.Buffer), options: o,
		env: func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		},
	}, out
}

func TestHelp(t *testing.T) {
	for _, c := range []struct{ name, columns string }{{"help.60", "60"}, {"help.80", "80"}, {"help.120", "120"}} {
		a, out := testApp("LANG", "C.UTF-8", "COLUMNS", c.columns)
		root := a.root()
		root.SetArgs([]string{"--help"})
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, c.name+".golden", out.String())
	}
}

// The contract of architecture.md.
func TestExitStatuses(t *testing.T) {
	for outcome, want := range map[cause.Outcome]int{
		cause.Open: 0, cause.Refused: 1, cause.Reset: 1, cause.Closed: 1, cause.Timeout: 2, cause.Unreachable: 3,
		cause.Denied: 3, cause.Unresolved: 4, cause.LocalFault: 5, cause.Cancelled: 130, "": 70, "new": 70,
	} {
		if got := exitOf(outcome); got != want {
			t.Errorf("%q: %d, want %d", outcome, got, want)
		}
	}
	for _, s := range exitStatuses {
		if s.text == "" {
			t.Errorf("status %d is not described", s.code)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
		says string
	}{
		{nil, 0, ""},
		{exitCode(3), 3, ""},
		{usagef("a %s", "b"), 64, "dialscope: a b\n"},
		{errors.New("broken"), 70, "dialscope: broken\n"},
		{errors.New("a\x1b[31m\nb"), 70, "dialscope: a?[31m?b\n"},
	} {
		a, _ := testApp()
		if got := a.status(c.err); got != c.want || a.stderr.(*bytes.Buffer).String() != c.says {
			t.Errorf("%v: %d, %q", c.err, got, a.stderr)
		}
	}
}

// A disk that is full must not look like a success.
func TestAnAnswerThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--explain", "list"}, {"--json", "127.0.0.1:0"}, {"-v", "127.0.0.1:0"}, {"127.0.0.1:0", "127.0.0.1:0"}} {
		errs := new(bytes.Buffer)
		code := Run(t.Context(), args, strings.NewReader(""), full{}, errs)
		if code != exitFailed || !strings.Contains(errs.String(), "could not be written: no space") {
			t.Errorf("%q: %d, %q", args, code, errs)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// From start to start, however long a step takes; one that takes longer than
// the interval is followed at once.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := testApp()
		a.options.interval = seconds(time.Second)
		began := time.Now()
		var starts []time.Duration
		took := []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond, 0, 0}
		err := a.pace(t.Context(), func(n int) (bool, error) {
			starts = append(starts, time.Since(began))
			time.Sleep(took[n])
			return n < 4, nil
		})
		want := []time.Duration{0, time.Second, 2 * time.Second, 4500 * time.Millisecond, 5500 * time.Millisecond}
		if diff := cmp.Diff(want, starts); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := testApp()
		a.options.interval = seconds(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		steps := 0
		began := time.Now()
		if err := a.pace(ctx, func(int) (bool, error) { steps++; return true, nil }); err != nil || steps != 1 || time.Since(began) != time.Minute {
			t.Errorf("%v, %d steps, %v", err, steps, time.Since(began))
		}
	})
}

func TestSeriesText(t *testing.T) {
	sum := new(series.Series)
	for i := range 40 {
		sum.Add(series.Dial{Outcome: cause.Open, Cause: cause.IsOpen, Took: time.Duration(i*i+30) * time.Microsecond})
	}
	sum.Add(series.Dial{Outcome: cause.Timeout, Cause: cause.HostSilent, Took: 5 * time.Second, Resent: 4})
	var got strings.Builder
	for _, locale := range []string{"C.UTF-8", "C"} {
		a, out := testApp("LANG", locale)
		if err := a.tellSeries(mustParse(t, "192.0.2.7:80"), sum); err != nil {
			t.Fatal(err)
		}
		got.WriteString(out.String())
	}
	golden.Check(t, "series.golden", got.String())
}

func TestBuild(t *testing.T) {
	if b := buildOf(nil); b.Version != "unknown" || b.Go == "" {
		t.Errorf("%+v", b)
	}
	b := buildOf(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}})
	want := "dialscope v1.2.3\nrevision  abc, with local changes\nof        2026-01-02T03:04:05Z\n"
	if got := b.String(); !strings.HasPrefix(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNearestFlag(t *testing.T) {
	a, _ := testApp()
	flags := a.root().Flags()
	for typed, want := range map[string]string{"timout": "timeout", "until": "until-open", "jsno": "json", "zzz": "", "x": ""} {
		if got := nearestFlag(flags, typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// A read that blocks does not hold up ^C, and what came before it was dialed.
func TestInterruptWhileStandardInputIsSilent(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	ctx, cancel := context.WithCancel(t.Context())
	out := &notifying{wrote: make(chan struct{})}
	status := make(chan int)
	go func() { status <- Run(ctx, []string{"-"}, in, out, io.Discard) }()
	if _, err := io.WriteString(typed, "127.0.0.1:0\n"); err != nil {
		t.Fatal(err)
	}
	<-out.wrote // the answer comes while the input is still open
	cancel()
	if code := <-status; code != exitCancelled {
		t.Errorf("status %d, want %d", code, exitCancelled)
	}
}

// notifying says when something is first written to it.
type notifying struct {
	once  sync.Once
	wrote chan struct{}
}

func (n *notifying) Write(p []byte) (int, error) {
	n.once.Do(func() { close(n.wrote) })
	return len(p), nil
}
