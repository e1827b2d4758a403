package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/lab"
)

func (a *app) labMatrixCommand() *cobra.Command {
	check := ""
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Run every scenario and print truth against verdict as a page of Markdown",
		Args:  none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := scenarios("all")
			if err != nil {
				return err
			}
			here, err := a.inside(cmd)
			if !here {
				return err
			}
			results := a.labAll(cmd, lab.Jobs(found, lab.Levels...), nil)
			if cmd.Context().Err() != nil {
				return exitCode(exitCancelled)
			}
			page := lab.Matrix(results)
			if check == "" {
				if err := a.print(page); err != nil {
					return err
				}
			} else if err := compareMatrix(check, page); err != nil {
				return err
			}
			if sum := lab.Sum(results); !sum.OK() {
				for _, r := range results {
					if !r.OK() {
						text, _ := labVerdict(r)
						a.complain(fmt.Sprintf("%s (%s): %s", r.Scenario, r.Level, text))
					}
				}
				return fmt.Errorf("%s", sum)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&check, "check", "", "print nothing, but fail if `FILE` has other scenarios, truths or verdicts that are not good")
	return cmd
}

func compareMatrix(file, page string) error {
	stored, err := os.ReadFile(file)
	if err != nil {
		return usagef("the matrix %q cannot be read: %v", clip(file), err)
	}
	if difference := lab.SameMatrix(string(stored), page); difference != "" {
		return fmt.Errorf("%s is not current (dialscope lab matrix >%s): %s", file, file, difference)
	}
	return nil
}
