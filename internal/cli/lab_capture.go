package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/lab"
)

func (a *app) labCaptureCommand() *cobra.Command {
	host, file, level := "client", "", string(lab.Privileged)
	cmd := &cobra.Command{
		Use:               "capture NAME -w FILE",
		Short:             "Run a scenario once and write the packets of one of its hosts as pcapng",
		Args:              oneScenario,
		ValidArgsFunction: completeScenario,
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("lab capture needs -w FILE, for the packets")
			}
			if level != string(lab.Privileged) && level != string(lab.Unprivileged) {
				return usagef("--level %q: write privileged or unprivileged", clip(level))
			}
			found, err := scenarios(args[0])
			if err != nil {
				return err
			}
			if len(found) > 1 || len(args) > 1 {
				return usagef("a capture is of one scenario: name one, such as %s", found[0].Name)
			}
			if err := found[0].CheckHost(host); err != nil {
				return usagef("--host: %v", err)
			}
			here, err := a.inside(cmd)
			if !here {
				return err
			}
			return a.capture(cmd, found[0], lab.Level(level), host, file)
		},
	}
	cmd.Flags().StringVarP(&file, "write", "w", "", "the `FILE` to write, - for standard output")
	cmd.Flags().StringVar(&host, "host", host, "the `HOST` of the scenario whose packets are wanted")
	cmd.Flags().StringVar(&level, "level", level, "`LEVEL` of the dial: privileged or unprivileged")
	return cmd
}

func (a *app) capture(cmd *cobra.Command, s *lab.Scenario, level lab.Level, host, file string) (err error) {
	var f *os.File
	if file != "-" {
		_, absent := os.Stat(file)
		if f, err = os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644); err != nil { // what it holds stays until there is something better
			return usagef("the file %q cannot be written: %v", clip(file), reason(err))
		}
		defer func() {
			err = errors.Join(err, f.Close())
			if err != nil && absent != nil {
				os.Remove(file) //nolint:errcheck // it is empty, or not whole
			}
		}()
	}
	var packets bytes.Buffer
	n, r, err := lab.Capture(cmd.Context(), s, level, host, lab.Itself, &packets)
	if err != nil {
		return err
	}
	if f == nil {
		return a.print(packets.String())
	}
	if _, err := f.Write(packets.Bytes()); err != nil {
		return err
	}
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		if err := f.Truncate(int64(packets.Len())); err != nil {
			return err
		}
	}
	text, _ := labVerdict(r)
	return a.print(fmt.Sprintf("%s: %d packets of 1 dial, %s\n", file, n, text))
}
