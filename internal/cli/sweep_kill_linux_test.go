package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/cli/results"
)

// installed is this test binary under the command's name: testscript.Main makes
// it the program then.
func installed(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "dialscope")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// A sweep that is killed again and again, and resumed each time, ends with
// what an uninterrupted one found: nothing is lost, and nothing is there twice.
func TestSweepKilledAndResumed(t *testing.T) {
	for _, engine := range []string{"epoll", "io_uring"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			killAndResume(t, engine)
		})
	}
}

func killAndResume(t *testing.T, engine string) {
	l, err := net.Listen("tcp", "127.9.0.77:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	program, dir := installed(t), t.TempDir()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	hosts := filepath.Join(dir, "hosts")
	if err := os.WriteFile(hosts, []byte("127.9.16.0/22\n127.9.20.1-127.9.23.200\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"sweep", "127.9.0.0/21", "-f", hosts, "-p", port, "--seed", "42", "--timeout", "500ms", "--json", "--quiet"}
	args = append(args, "--engine", engine)
	args = args[:len(args):len(args)]
	whole, err := exec.Command(program, append(args, "--rate", "0")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := said(t, whole)

	journal := filepath.Join(dir, "journal")
	first := append(args, "--rate", "3000", "--journal", journal)
	next := first
	r := rand.New(rand.NewPCG(1, 2))
	kills := 0
	var last []byte
	for {
		var out bytes.Buffer
		cmd := exec.Command(program, next...)
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if kills < 20 {
			kill := time.AfterFunc(time.Duration(20+r.IntN(130))*time.Millisecond, func() { cmd.Process.Kill() })
			err = cmd.Wait()
			if kill.Stop() && err != nil {
				t.Fatalf("after %d kills: %v", kills, err)
			}
		} else {
			err = cmd.Wait()
		}
		if _, missing := os.Stat(journal); missing != nil {
			next = first // killed before it began
		} else {
			next = []string{"sweep", "--resume", journal, "--rate", "3000", "--json", "--quiet", "--engine", engine}
		}
		if err == nil {
			last = out.Bytes()
			break
		}
		if kills++; kills > 20 {
			t.Fatalf("it does not end: %v", err)
		}
		if r.IntN(2) == 0 { // the kill tore the last line, as a power cut would
			tear(t, journal)
		}
	}
	t.Logf("%d kills, %d targets", kills, len(want))
	if diff := cmp.Diff(want, said(t, last)); diff != "" {
		t.Error(diff)
	}
}

// tear cuts the journal's last line in the middle, if it has one beyond its head.
func tear(t *testing.T, journal string) {
	b, err := os.ReadFile(journal)
	if err != nil {
		return
	}
	if at := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n'); at > 0 {
		if err := os.Truncate(journal, int64(at+20)); err != nil {
			t.Fatal(err)
		}
	}
}

// said is what the lines of a sweep say, by target, without times.
func said(t *testing.T, out []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range bytes.Lines(out) {
		r, err := results.Parse(line)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		key := r.Addr.String()
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = fmt.Sprint(r.Outcome, r.Errno, r.Cause, r.Culprit, r.Place)
	}
	return all
}

// ^C ends a sweep with a summary, and with the words to go on with.
func TestSweepInterrupted(t *testing.T) {
	program, dir := installed(t), t.TempDir()
	l, err := net.Listen("tcp", "127.9.0.78:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	journal := filepath.Join(dir, "journal")
	cmd := exec.Command(program, "sweep", "127.9.0.0/20", "-p", port, "--rate", "100", "--json", "--journal", journal)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitCancelled {
		t.Errorf("exit status %d", code)
	}
	for _, want := range []string{"interrupted: ", " of 4094 targets", "go on with: dialscope sweep --resume " + journal} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("%q is not in:\n%s", want, stderr.String())
		}
	}
}
