package sys

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// keepEnv makes the test below its own child.
const keepEnv = "DIALSCOPE_TEST_KEEP"

// giveUp gives capabilities up, and prints what is left in each thread.
func giveUp() {
	if err := KeepCapabilities(CapNetRaw, CapBPF); err != nil {
		os.Stdout.WriteString(err.Error())
		if errors.Is(err, errors.ErrUnsupported) {
			os.Exit(3)
		}
		os.Exit(1)
	}
	again := KeepCapabilities(CapNetRaw, CapNetAdmin) // what is gone is not gained
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || again != nil {
		os.Exit(1)
	}
	for _, thread := range threads {
		status, _ := os.ReadFile("/proc/self/task/" + thread.Name() + "/status")
		for line := range strings.Lines(string(status)) {
			if name, _, _ := strings.Cut(line, ":"); name == "CapEff" || name == "CapPrm" || name == "NoNewPrivs" {
				os.Stdout.WriteString(line)
			}
		}
	}
	os.Exit(0)
}

func TestKeepCapabilities(t *testing.T) {
	if os.Getenv(keepEnv) != "" {
		giveUp()
	}
	has, err := permittedCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	if has&(1<<CapNetRaw) == 0 {
		t.Skip("this process has no capabilities to give up")
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestKeepCapabilities$")
	cmd.Env = append(os.Environ(), keepEnv+"=1")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		t.Skip("built with cgo, as for the race detector: " + string(out))
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	threads := 0
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		want := "0000000000002000" // CAP_NET_RAW
		if name == "NoNewPrivs" {
			want, threads = "1", threads+1
		}
		if value != want {
			t.Errorf("%s is %s, want %s", name, value, want)
		}
	}
	if threads == 0 {
		t.Errorf("no thread: %s", out)
	}
}

func TestAtLeastLinux(t *testing.T) {
	if !AtLeastLinux(2, 6) || AtLeastLinux(99, 0) {
		t.Error("this kernel is neither younger than 2.6 nor as young as 99")
	}
}
