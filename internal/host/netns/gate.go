package netns

import (
	"os"
	"slices"
	"strings"
)

// TB is the part of testing.TB that [Require] uses.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require returns when this process can build networks. Otherwise it skips the
// test and says why, or fails it when the environment variable
// DIALSCOPE_REQUIRE, a comma-separated list, has "netns" in it.
func Require(t TB) {
	t.Helper()
	err := Supported()
	if err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("DIALSCOPE_REQUIRE"), ","), "netns") {
		t.Fatalf("netns is required (DIALSCOPE_REQUIRE) but not possible here: %v", err)
	}
	t.Skipf("netns: %v", err)
}
