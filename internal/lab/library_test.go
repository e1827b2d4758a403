package lab

import (
	"strings"
	"testing"

	"github.com/dialscope/dialscope/cause"
)

func TestLibrary(t *testing.T) {
	all, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 90 {
		t.Errorf("%d scenarios, fewer than 90", len(all))
	}
	six := 0
	causes := map[cause.ID]int{}
	for _, s := range all {
		if len(s.Teaches) < 60 || strings.HasSuffix(s.Title, ".") {
			t.Errorf("%s: title %q, teaches %q", s.Name, s.Title, s.Teaches)
		}
		if strings.ContainsAny(s.Title+s.Teaches+s.Dial.Target, "<>") {
			t.Errorf("%s: a variable is not filled in", s.Name)
		}
		if s.Family == 6 {
			six++
		}
		causes[s.Truth.Cause]++
	}
	if six < 60 {
		t.Errorf("%d scenarios over IPv6, fewer than 60", six)
	}
	// Every cause of a connection attempt has a scenario. What is not here is
	// an established connection's end, or cannot be told from a handshake.
	for _, e := range cause.Catalogue() {
		if e.Group == cause.GroupEnd {
			continue
		}
		if causes[e.ID] == 0 {
			t.Errorf("no scenario of %s", e.ID)
		}
	}
}

func TestFind(t *testing.T) {
	count := func(patterns ...string) int {
		t.Helper()
		found, err := Find(patterns...)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	all, _ := Library()
	if n := count("all"); n != len(all) {
		t.Errorf("all finds %d of %d", n, len(all))
	}
	if n := count("port-closed"); n != 1 { // a name goes before a cause
		t.Errorf("port-closed finds %d", n)
	}
	if n := count("icmp-0-*", "icmp-0-from-router"); n != 3 {
		t.Errorf("icmp-0-* finds %d", n)
	}
	if n := count("admin-prohibited"); n < 10 { // a cause
		t.Errorf("admin-prohibited finds %d", n)
	}
}

func TestFindSuggests(t *testing.T) {
	for typed, want := range map[string]string{
		"port-closd": "port-closed", "syn-prxy": "syn-proxy", "loop": "routing-loop", "opn": "open",
	} {
		if _, err := Find(typed); err == nil || !strings.HasSuffix(err.Error(), "did you mean "+want+"?") {
			t.Errorf("%s: %v, want %s", typed, err, want)
		}
	}
	if _, err := Find("["); err == nil || !strings.Contains(err.Error(), "no pattern") {
		t.Errorf("[: %v", err)
	}
}
