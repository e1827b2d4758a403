package testmain

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// requireEnv lists, separated by commas, what must be possible on this host:
// a test that needs it fails instead of being skipped.
const requireEnv = "DIALSCOPE_REQUIRE"

// gates say why the host cannot do what a test needs, or nil.
var gates = map[string]func() error{
	"netns":  netns.Supported,
	"raw":    rawSockets,
	"bpf":    loadBPF,
	"userns": userNamespaces,
}

// Need returns if this host and user can do all that is named: "netns" (build
// networks), "raw" (raw and packet sockets), "bpf" (load programs), "userns"
// (make user namespaces). Otherwise it skips the test and says why, or fails
// it if the environment variable DIALSCOPE_REQUIRE has the name in its list.
func Need(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		gate, ok := gates[name]
		if !ok {
			t.Fatalf("testmain.Need: %q is none of %v", name, slices.Sorted(maps.Keys(gates)))
		}
		Check(t, name, gate())
	}
}

// Check is [Need] for a need that the test has looked at itself: unless err is
// nil, it skips the test and says why, or fails it if DIALSCOPE_REQUIRE has
// the name in its list.
func Check(t netns.TB, name string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv(requireEnv), ","), name) {
		t.Fatalf("%s is required (%s) but not possible here: %v", name, requireEnv, err)
	}
	t.Skipf("%s: %v", name, err)
}

func missing(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
