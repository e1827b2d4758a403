package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/host/bpf"
)

// leakFree runs the tests and fails when they leave a goroutine behind.
type leakFree struct{ *testing.M }

func (m leakFree) Run() int {
	code := m.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		return 1
	}
	return 0
}

func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){"dialscope": program})
}

// program is the command as cmd/dialscope has it.
func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// TestScript runs testdata/script: the program as a person runs it, against
// peers on the loopback that the scripts ask for (peers_test.go).
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       golden.Update(),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LC_ALL", "C.UTF-8")
			env.Setenv("NO_COLOR", "")
			env.Setenv("TERM", "xterm")
			env.Values[peersKey{}] = new(peers)
			env.Defer(env.Values[peersKey{}].(*peers).close)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "bpf" {
				return bpf.Permitted() == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"listener":   listenerCommand,
			"closedport": closedPortCommand,
			"silent":     silentCommand,
			"udp":        udpCommand,
			"nameserver": nameserverCommand,
			"asked":      askedCommand,
			"longline":   longLineCommand,
			"capture":    captureCommand,
			"status":     statusCommand,
			"json":       jsonCommand,
		},
	})
}
