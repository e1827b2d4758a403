package cli

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/testmain"
)

// TestLab runs testdata/lab: the laboratory as a person uses it.
func TestLab(t *testing.T) {
	testmain.Need(t, "netns")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/lab",
		UpdateScripts:       golden.Update(),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LC_ALL", "C.UTF-8")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"status": statusCommand},
	})
}
