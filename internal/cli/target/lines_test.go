package target

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func readAll(t *testing.T, l *Lines) (targets, faults []string) {
	t.Helper()
	for range 1000 {
		got, err := l.Next()
		var bad *LineError
		switch {
		case err == io.EOF:
			return targets, faults
		case errors.As(err, &bad):
			faults = append(faults, fmt.Sprintf("%s:%d", bad.File, bad.Line))
		case err != nil:
			t.Fatalf("Next: %v", err)
		default:
			targets = append(targets, got.String())
		}
	}
	t.Fatal("no end after 1000 lines")
	return nil, nil
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, in        string
		targets, faults []string
	}{
		{"empty", "", nil, nil},
		{"one without an end", "a:1", []string{"a:1"}, nil},
		{"carriage returns", "a:1\r\nb:2\r\n", []string{"a:1", "b:2"}, nil},
		{"blank lines and comments", "# all\n\n  \na:1 # web\n\t#x\nb:2\n", []string{"a:1", "b:2"}, nil},
		{"a fragment is no comment", "http://a/#top\n", []string{"a:80"}, nil},
		{"byte order mark", "\ufeffa:1\n", []string{"a:1"}, nil},
		{"a bad line in the middle", "a:1\nb\nc:3\n", []string{"a:1", "c:3"}, []string{"list:2"}},
		{"a megabyte in one line", "a:1\n" + long + "\nc:3", []string{"a:1", "c:3"}, []string{"list:2"}},
		{"a megabyte at the end", "a:1\n" + long, []string{"a:1"}, []string{"list:2"}},
		{"a megabyte alone, ended", long + "\n", nil, []string{"list:1"}},
		{"just fits", strings.Repeat(" ", MaxLine-3) + "a:1\nb:2", []string{"a:1", "b:2"}, nil},
		{"just does not", strings.Repeat(" ", MaxLine-2) + "a:1\nb:2", []string{"b:2"}, []string{"list:1"}},
		{"binary", "\x00\x01\x02\na:1\n", []string{"a:1"}, []string{"list:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
				targets, faults := readAll(t, NewLines(in, "list", "tcp"))
				if diff := cmp.Diff(c.targets, targets); diff != "" {
					t.Errorf("targets (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(c.faults, faults); diff != "" {
					t.Errorf("faults (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestLineErrorNamesFileAndLine(t *testing.T) {
	_, err := NewLines(strings.NewReader("\n\nhost\n"), "-", "tcp").Next()
	want := `standard input, line 3: "host": a port is missing: dialscope host:443`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLinesReturnsTheReadersError(t *testing.T) {
	broken := errors.New("the disk is gone")
	in := io.MultiReader(strings.NewReader("a:1\nb:"), iotest.ErrReader(broken))
	l := NewLines(in, "list", "tcp")
	if _, err := l.Next(); err != nil {
		t.Fatalf("first line: %v", err)
	}
	if _, err := l.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}
