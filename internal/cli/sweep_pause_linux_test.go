package cli

import (
	"bytes"
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestPauseWords(t *testing.T) {
	for _, c := range []struct{ before, now, want string }{
		{"", "", ""},
		{"", "it rains", "dialscope: the sweep pauses: it rains"},
		{"it rains", "it rains", ""},
		{"it rains", "it snows", "dialscope: the sweep pauses: it snows"},
		{"it snows", "", "dialscope: the sweep goes on"},
	} {
		if got := pauseWords(c.before, c.now); got != c.want {
			t.Errorf("%q, then %q: %q", c.before, c.now, got)
		}
	}
}

// A user whose network goes away is told, and so when it is back; no target
// pays for it, with either engine.
func TestSweepSaysThatItPauses(t *testing.T) {
	testmain.Need(t, "netns")
	program := installed(t)
	for _, engine := range []string{"epoll", "io_uring"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c, err := netns.NewChain(0)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Client.AddRoute(netip.MustParsePrefix("10.9.0.0/24"), c.Server4); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			cmd := c.Client.Wrap(exec.CommandContext(ctx, program, "sweep", c.Server4.String(), "-p", "1000-2999", "--rate", "1000",
				"--timeout", "3s", "--json", "--engine", engine))
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond) // of the two seconds that it takes
			link := c.Links[0].A.Name
			if err := c.Client.SetLink(link, false); err != nil {
				t.Fatal(err)
			}
			time.Sleep(600 * time.Millisecond) // several looks
			if err := c.Client.SetLink(link, true); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err, stderr.String())
			}
			if n := strings.Count(stdout.String(), `"outcome":"refused"`); n != 2000 {
				t.Errorf("%d of 2000 refused", n)
			}
			pauses, goes := strings.Index(stderr.String(), "the sweep pauses: the network is away\n"), strings.Index(stderr.String(), "the sweep goes on\n")
			if pauses < 0 || goes < pauses {
				t.Errorf("not told:\n%s", stderr.String())
			}
		})
	}
}
