package golden

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// told is a test that goes on after an error, and keeps what it said.
type told struct {
	testing.TB
	said string
}

func (t *told) Helper()                      {}
func (t *told) Errorf(f string, args ...any) { t.said += fmt.Sprintf(f, args...) }
func (t *told) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	defer func(was bool) { *update = was }(*update)

	*update = true
	probe := &told{TB: t}
	Check(probe, "page", "one\n")
	*update = false
	Check(probe, "page", "one\n")
	if probe.said != "" || Update() {
		t.Errorf("the same text: %q", probe.said)
	}
	Check(probe, "page", "two\n")
	if !strings.Contains(probe.said, "page differs") || !strings.Contains(probe.said, "two") {
		t.Errorf("another text: %q", probe.said)
	}
	defer func() {
		if said := recover(); said == nil || !strings.Contains(said.(string), "absent") {
			t.Errorf("without a file: %v", said)
		}
	}()
	Check(probe, "absent", "")
}
