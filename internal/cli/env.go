package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// envPrefix stands before the name of an option in the environment.
const envPrefix = "DIALSCOPE_"

// envName is the variable that presets an option: --attempt-timeout is
// DIALSCOPE_ATTEMPT_TIMEOUT.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// presettable says whether an option may be preset in the environment: those
// that describe a habit may, those that make one run another kind of run not.
func presettable(f *pflag.Flag) bool {
	_, may := f.Annotations[envKey]
	return may
}

// preset gives the options that the command line leaves open the values that
// the environment has for them. An option that was preset is not Changed.
func (a *app) preset(cmd *cobra.Command) error {
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || f.Changed || !presettable(f) {
			return
		}
		name := envName(f.Name)
		value := a.env(name)
		if value == "" {
			return
		}
		if bad := f.Value.Set(value); bad != nil {
			err = badValue(name, value, f, bad)
		}
	})
	return err
}
