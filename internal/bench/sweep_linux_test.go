package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What each contestant is to find adds up to what it is given.
func TestWorkloads(t *testing.T) {
	for _, bits := range []int{16, 20, 24} {
		for name, w := range workloads(bits) {
			sum := w.want.open + w.want.refused + w.want.silent + w.want.other
			if w.targets() != sum || sum == 0 {
				t.Errorf("%s, /%d: %d targets, %d expected", name, bits, w.targets(), sum)
			}
			if len(strings.Split(w.portList(), ",")) != len(w.ports) {
				t.Errorf("%s: %s", name, w.portList())
			}
			if wrong(w.want, w.want) != 0 {
				t.Errorf("%s: right is wrong", name)
			}
		}
	}
	for _, name := range usual {
		if _, known := workloads(16)[name]; !known {
			t.Errorf("no workload %s", name)
		}
	}
	if n := workloads(16)["silent-million"].targets(); n != 1<<20 {
		t.Errorf("a million is %d", n)
	}
	if w := workloads(16)["refused"]; w.last() != "10.200.255.255" {
		t.Errorf("it ends at %s", w.last())
	}
}

func TestWrong(t *testing.T) {
	for _, c := range []struct {
		want, got tally
		n         int
	}{
		{tally{open: 2}, tally{open: 2}, 0},
		{tally{open: 2}, tally{open: 1, silent: 1}, 1},
		{tally{open: 2}, tally{open: 1}, 1},
		{tally{open: 2, refused: 3}, tally{open: 3, refused: 2}, 1},
		{tally{silent: 5}, tally{silent: 5, other: 2}, 2},
	} {
		if got := wrong(c.want, c.got); got != c.n {
			t.Errorf("%v, found %v: %d wrong, want %d", c.want, c.got, got, c.n)
		}
	}
}

// The contestants' own words are read as they mean them.
func TestReaders(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		read func(string) (tally, error)
		want tally
	}{
		"counts": {"1 2 3 4\n", func(s string) (tally, error) { return readCounts(strings.NewReader(s)) }, tally{1, 2, 3, 4}},
		"NDJSON": {`{"address":"a","outcome":"open"}` + "\n" + `{"outcome":"refused"}` + "\n" + `{"outcome":"timeout"}` + "\n" + `{"outcome":"denied"}` + "\n",
			func(s string) (tally, error) { return readNDJSON(strings.NewReader(s)) }, tally{1, 1, 1, 1}},
		"nmap": {"# Nmap\nHost: 10.0.0.1 ()\tStatus: Up\nHost: 10.0.0.1 ()\tPorts: 1/open/tcp//x///, 2/closed/tcp/////, 3/filtered/tcp/////\tIgnored State: closed (40)\n",
			func(s string) (tally, error) { return readGrepable(strings.NewReader(s)) }, tally{open: 1, refused: 41, silent: 1}},
		"naabu": {"10.0.0.1:7000\n10.0.0.2:7000\n", func(s string) (tally, error) { return readOpen(strings.NewReader(s)) }, tally{open: 2}},
	} {
		got, err := c.read(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestField(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("TCP: inuse 7 orphan 0\nSlab:   12 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		n    int
		want int
	}{{"TCP:", 1, 7}, {"Slab:", 0, 12}, {"Slab:", 9, 0}, {"None:", 0, 0}} {
		if got := field(file, c.name, c.n); got != c.want {
			t.Errorf("%s %d: %d", c.name, c.n, got)
		}
	}
	if field(file+"x", "TCP:", 1) != 0 {
		t.Error("a file that is not there has a number")
	}
}

func TestSweepOptions(t *testing.T) {
	for _, bad := range [][]string{{"-rounds", "0"}, {"-bits", "15"}, {"-bits", "25"}, {"nothing"}, {"-x"}} {
		if _, err := parseSweepOptions(bad); err == nil {
			t.Errorf("%v went through", bad)
		}
	}
	o, err := parseSweepOptions([]string{"-rounds", "2", "open", "silent"})
	if err != nil || o.rounds != 2 || len(o.only) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parseSweepOptions(nil); err != nil || len(o.only) != len(usual) {
		t.Errorf("%+v, %v", o, err)
	}
}
