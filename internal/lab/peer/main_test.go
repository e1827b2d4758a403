package peer_test

import (
	"flag"
	"testing"

	"github.com/dialscope/dialscope/internal/testmain"
)

// The tests wait for the kernel's timers and compute nothing, so many of them
// run side by side, however few processors there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	testmain.Main(m)
}
