package dialscope

import (
	"testing"

	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) {
	testmain.Main(m, append(helpers(), testmain.Helper("sweep", sweepHelper), testmain.Helper("dial each", dialEach))...)
}
