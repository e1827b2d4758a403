package cli

import (
	"testing"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/results"
)

// What the options of the command line mean for the library, whose zeros mean
// something else.
func TestSweepOptionsMean(t *testing.T) {
	for name, c := range map[string]struct {
		in   sweepOptions
		want func(o dialscope.SweepOptions) bool
	}{
		"rate 0 is as fast as it goes": {sweepOptions{rate: 0}, func(o dialscope.SweepOptions) bool { return o.Rate < 0 }},
		"retries 0 is never":           {sweepOptions{retries: 0}, func(o dialscope.SweepOptions) bool { return o.Retries < 0 }},
		"retries":                      {sweepOptions{retries: 3}, func(o dialscope.SweepOptions) bool { return o.Retries == 3 }},
		"a time":                       {sweepOptions{timeout: seconds(time.Second)}, func(o dialscope.SweepOptions) bool { return o.Timeout == time.Second }},
		"an engine":                    {sweepOptions{engine: "io_uring"}, func(o dialscope.SweepOptions) bool { return o.Engine == dialscope.EngineRing }},
		"no engine":                    {sweepOptions{}, func(o dialscope.SweepOptions) bool { return o.Engine == dialscope.EngineAuto }},
		"a part":                       {sweepOptions{shard: shard{2, 3}}, func(o dialscope.SweepOptions) bool { return o.Shard == 2 && o.Shards == 3 }},
	} {
		if got := c.in.options(); !c.want(got) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSweepValues(t *testing.T) {
	var e engine
	for text, want := range map[string]string{"auto": "auto", "epoll": "epoll", "io_uring": "io_uring"} {
		if err := e.Set(text); err != nil || e.String() != want {
			t.Errorf("%q: %q, %v", text, e.String(), err)
		}
	}
	for _, bad := range []string{"", "poll", "Epoll"} {
		if e.Set(bad) == nil {
			t.Errorf("%q is an engine", bad)
		}
	}
	var s shard
	for _, bad := range []string{"", "1", "0/2", "3/2", "a/b", "1/", "-1/2", "1/70000"} {
		if s.Set(bad) == nil {
			t.Errorf("%q is a part", bad)
		}
	}
	if err := s.Set("2/5"); err != nil || s.String() != "" && s != (shard{2, 5}) {
		t.Errorf("%+v, %v", s, err)
	}
	var o outcomes
	if err := o.Set("open, refused"); err != nil || !o[cause.Open] || !o[cause.Refused] || len(o) != 2 || o.String() != "open,refused" {
		t.Errorf("%v, %v", o, err)
	}
	if err := o.Set("all"); err != nil || len(o) != len(sweepOutcomes) {
		t.Errorf("%v, %v", o, err)
	}
}

// A file of targets that is another than when the sweep began cannot be gone
// on with.
func TestSameFiles(t *testing.T) {
	if err := sameFiles(results.Plan{Files: []results.FileOf{{Name: "/nonexistent/x"}}}); err == nil {
		t.Error("a file that is not there is the same")
	}
	if err := sameFiles(results.Plan{}); err != nil {
		t.Error(err)
	}
}

func TestNmapOutput(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"sweep", "-oX", "f"}, []string{"sweep", "--xml", "f"}},
		{[]string{"sweep", "--", "-oX"}, []string{"sweep", "--", "-oX"}},
		{[]string{"listen", "-oX"}, []string{"listen", "-oX"}},
	} {
		got := nmapOutput(c.in)
		if len(got) != len(c.want) {
			t.Fatalf("%v: %v", c.in, got)
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v: %v", c.in, got)
			}
		}
	}
}
