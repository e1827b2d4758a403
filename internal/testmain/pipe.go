package testmain

import (
	"os"
	"testing"
)

// EachPipe runs a test for pipes in blocking mode, as a shell makes them, and for
// those that the runtime polls, as os.Pipe does.
func EachPipe(t *testing.T, test func(t *testing.T, blocking bool)) {
	for name, blocking := range map[string]bool{"blocking": true, "polled": false} {
		t.Run(name, func(t *testing.T) { test(t, blocking) })
	}
}

// Pipe is a pipe that is closed with the test.
func Pipe(t testing.TB, blocking bool) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if blocking {
		r.Fd() // it sets the mode
		w.Fd()
	}
	return r, w
}
