package conversation

import (
	"testing"

	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m) }
