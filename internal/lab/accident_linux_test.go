package lab_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/lab"
	"github.com/dialscope/dialscope/internal/testmain"
)

// A lab that is killed takes its dials with it (prctl(2), PR_SET_PDEATHSIG);
// its namespaces are held by descriptors alone.
func TestKilled(t *testing.T) {
	testmain.Need(t, "netns")
	cmd := program(t.Context(), "lab-run-idle")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var children []int
	waitFor(t, "dials", func() bool { children = childrenOf(cmd.Process.Pid); return len(children) >= 2 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range children {
		waitFor(t, "the end of process "+strconv.Itoa(pid), func() bool {
			b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
			return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(b), ") Z ")
		})
	}
}

// runIdle is the lab in a process of its own: connections that nobody ends for
// longer than the test waits.
func runIdle() int {
	found, err := lab.Find("talk-zero-window-patience*")
	if err != nil {
		return 1
	}
	for _, s := range found {
		s.Dial.Input, s.Dial.Flags = "", []string{"--idle", "--for", "5m"}
	}
	lab.RunAll(context.Background(), lab.Jobs(found, lab.Levels...), program, nil)
	return 0
}

// A lab that is interrupted ends at once, and reports what was done.
func TestInterrupted(t *testing.T) {
	testmain.Need(t, "netns")
	found, err := lab.Find("port-closed", "path-firewall-drop-*")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var interrupted time.Time
	var done []string
	lab.RunAll(ctx, lab.Jobs(found, lab.Privileged), program, func(r *lab.Result) {
		done, interrupted = append(done, r.Scenario), time.Now()
		cancel()
	})
	if len(done) != 1 || done[0] != "port-closed" || time.Since(interrupted) > 2*time.Second {
		t.Errorf("%q, and %v after it the end; want port-closed alone, and the end at once", done, time.Since(interrupted))
	}
}

func childrenOf(pid int) (all []int) {
	tasks, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/children"))
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, word := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(word); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
