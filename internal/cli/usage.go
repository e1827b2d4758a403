package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/cause"
)

// usageError is a command line that cannot be carried out: one sentence that
// names the input and what to write instead.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// flagError words what pflag says.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		if near := nearestFlag(cmd.Flags(), unknown.GetSpecifiedName()); near != "" {
			return usagef("there is no option %s: did you mean --%s?", name, near)
		}
		return usagef("there is no option %s: %s --help lists them", name, cmd.CommandPath())
	case errors.As(err, &missing):
		return usagef("--%s needs a value: %s", missing.GetFlag().Name, example(missing.GetFlag()))
	case errors.As(err, &invalid):
		return badValue("--"+invalid.GetFlag().Name, invalid.GetValue(), invalid.GetFlag(), invalid.Unwrap())
	}
	return usagef("%v: %s --help lists the options", err, cmd.CommandPath())
}

// badValue words a value that an option does not take.
func badValue(name, value string, flag *pflag.Flag, err error) error {
	var own *valueError
	if errors.As(err, &own) {
		return usagef("%s %q: %s", name, clip(value), own.text)
	}
	switch flag.Value.Type() {
	case "bool":
		return usagef("%s takes no value, or true or false: not %q", name, clip(value))
	case "int":
		return usagef("%s %q: no whole number, write %s", name, clip(value), example(flag))
	}
	return usagef("%s %q: %v", name, clip(value), err)
}

// clip shortens what an error repeats.
func clip(text string) string {
	const longest = 80
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// example shows how an option is written.
func example(flag *pflag.Flag) string {
	if samples := flag.Annotations[sampleKey]; len(samples) > 0 {
		return "--" + flag.Name + " " + samples[0]
	}
	return "--" + flag.Name + " VALUE"
}

// nearestFlag is the option whose name is at most two edits away.
func nearestFlag(flags *pflag.FlagSet, name string) string {
	best, distance := "", 3
	flags.VisitAll(func(f *pflag.Flag) {
		if d := cause.Distance(name, f.Name); !f.Hidden && d < distance && 2*d <= len(f.Name) {
			best, distance = f.Name, d
		}
	})
	if best == "" && len(name) > 3 {
		flags.VisitAll(func(f *pflag.Flag) {
			if strings.HasPrefix(f.Name, name) && !f.Hidden && best == "" {
				best = f.Name
			}
		})
	}
	return best
}

// none is for commands without arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments: remove %q", cmd.CommandPath(), clip(args[0]))
	}
	return nil
}
