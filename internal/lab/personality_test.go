package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/listen"
)

func TestPersonality(t *testing.T) {
	for flags, want := range map[string]listen.Options{
		"":                           {Network: "tcp"},
		"--echo":                     {Network: "tcp", Personality: listen.Personality{Reading: listen.Echo}},
		"--udp --echo --delay 300ms": {Network: "udp", Personality: listen.Personality{Reading: listen.Echo, Delay: 300 * time.Millisecond}},
		"--never-read --never-close": {Network: "tcp", Personality: listen.Personality{Reading: listen.Never, Ending: listen.NeverClose}},
		"--never-accept --backlog 0": {Network: "tcp", SetBacklog: true, Personality: listen.Personality{NeverAccept: true}},
		"--reset --delay 1s":         {Network: "tcp", Personality: listen.Personality{Ending: listen.ResetFirst, Delay: time.Second}},
		"--close --welcome bye":      {Network: "tcp", Personality: listen.Personality{Ending: listen.CloseFirst, Greeting: "bye"}},
		"--speak-first":              {Network: "tcp", Personality: listen.Personality{Greeting: "220 ready"}},
		"--silent":                   {Network: "tcp"},
		"--crash-after 2s":           {Network: "tcp", Personality: listen.Personality{CrashAfter: 2 * time.Second}},
		"--refuse-after 3 --discard": {Network: "tcp", RefuseAfter: 3},
	} {
		got, err := personality(strings.Fields(flags))
		got.Each = nil
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b func([]listen.Event)) bool { return (a == nil) == (b == nil) })); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", flags, err, diff)
		}
	}
	for flags, says := range map[string]string{
		"echo":              `"echo": a flag of dialscope listen begins with --`,
		"--ecko":            "--ecko: no flag of dialscope listen",
		"--json":            "--json: no flag of dialscope listen that a service can have",
		"--delay":           "--delay needs a value",
		"--delay soon":      `--delay "soon": write 100ms`,
		"--backlog -1":      `--backlog "-1": no number`,
		"--echo --discard":  "--echo and --discard exclude each other",
		"--udp --backlog 1": "--udp and --backlog exclude each other",
	} {
		if got, err := personality(strings.Fields(flags)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v; want %s", flags, got, err, says)
		}
	}
}

// A service that is dialscope listen is started by hand as it is written.
func TestListenByHand(t *testing.T) {
	c := &commands{}
	c.service(&Service{On: "server", At: "192.0.2.1:80", Does: "listen", Flags: []string{"--close", "--welcome", "good bye"}})
	if got := strings.Join(c.lines, "\n"); !strings.Contains(got, `dialscope listen 192.0.2.1:80 --close --welcome "good bye" &`) {
		t.Error(got)
	}
}
