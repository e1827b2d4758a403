package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/host/feature"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What this host and this user can observe, and what a missing privilege would add",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			return a.doctor(asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON document")
	return cmd
}

// survey is the document of doctor --json.
type survey struct {
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	Features []feature.Feature `json:"features"`
}

func (a *app) doctor(asJSON bool) error {
	found := feature.Survey()
	if asJSON {
		return a.printJSON(survey{runtime.GOOS, runtime.GOARCH, found}, terminal.Is(a.stdout))
	}
	checks := make([]answer.Check, len(found))
	for i, f := range found {
		checks[i] = answer.Check{Title: f.Title, State: f.State.String(), Why: f.Why, Adds: f.Adds, Needs: f.Needs}
	}
	return a.print(answer.Checklist(terminal.Detect(a.stdout, terminal.Auto, a.env), checks))
}
