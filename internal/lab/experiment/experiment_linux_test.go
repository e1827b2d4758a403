package experiment_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab/experiment"
	"github.com/dialscope/dialscope/internal/testmain"
)

var update = flag.Bool("update", false, "write docs/tables")

func TestMain(m *testing.M) { testmain.Main(m) }

// What the documentation says is what this kernel does.
func TestTablesAreCurrent(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "netns")
	for _, e := range experiment.Experiments() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			table, err := e.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			file := "../../../docs/tables/" + e.Name + ".md"
			if *update {
				if err := os.WriteFile(file, []byte(table.Markdown()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			stored, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if difference := table.Same(string(stored)); difference != "" {
				t.Errorf("%s is not current (run the test with -update, and read what changed): %s", file, difference)
			}
		})
	}
}

// The sentences of the tables, held against their cells.
func TestSuccessSettles(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "netns")
	table, err := experiment.Success(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failures := map[string]string{"refused": "ECONNREFUSED", "ICMP host unreachable": "EHOSTUNREACH", "timed out": "ETIMEDOUT"}
	for _, row := range table.Rows {
		what, truth := row[0], row[1]
		wantCell(t, table, what, "read of 0 bytes", "0") // says nothing
		if errno, failed := failures[what]; failed {
			wantCell(t, table, what, "SO_ERROR", errno)
			wantCell(t, table, what, "second connect", errno)
			wantCell(t, table, what, "third connect", "EINPROGRESS")
			wantCell(t, table, what, "getpeername", "ENOTCONN")
		}
		if truth == "yes" {
			wantCell(t, table, what, "SO_ERROR", "0")
			wantCell(t, table, what, "getpeername", "the address")
			wantCell(t, table, what, "third connect", "EISCONN")
		}
		if failed := strings.Contains(table.Cell(what, "poll"), "ERR"); failed != (truth == "no" || truth == "it was") {
			t.Errorf("%s: poll says %s", what, table.Cell(what, "poll"))
		}
	}
	wantCell(t, table, "open", "second connect", "0")
	wantCell(t, table, "no answer yet", "SO_ERROR", "0") // and it is no success
	wantCell(t, table, "no answer yet", "second connect", "EALREADY")
	wantCell(t, table, "the peer reset at once", "getpeername", "ENOTCONN")
}

func TestReuseSettles(t *testing.T) {
	t.Parallel()
	testmain.Need(t, "netns")
	table, err := experiment.Reuse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table.Rows {
		wantCell(t, table, row[0], "AF_UNSPEC, then connect", "connected")
	}
	for what, errno := range map[string]string{"refused": "ECONNREFUSED", "timed out": "ETIMEDOUT", "the peer reset at once": "ECONNRESET"} {
		wantCell(t, table, what, "connect again", errno)
		wantCell(t, table, what, "SO_ERROR, then connect", "ECONNABORTED")
	}
	wantCell(t, table, "the peer spoke first", "connect again", "0, still connected to port 82")
}

func wantCell(t *testing.T, table *experiment.Table, row, column, want string) {
	t.Helper()
	if got := table.Cell(row, column); got != want {
		t.Errorf("%s, %s: %q, want %q", row, column, got, want)
	}
}
