package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the binary knows of itself.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "The version and how it was built",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			return a.version(asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON document")
	return cmd
}

func (a *app) version(asJSON bool) error {
	info, _ := debug.ReadBuildInfo()
	b := buildOf(info)
	if asJSON {
		return a.printJSON(b, false)
	}
	return a.print(b.String())
}

// buildOf reads the build's information; nil where there is none.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info == nil {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := "dialscope " + b.Version + "\n"
	if b.Revision != "" {
		text += "revision  " + b.Revision
		if b.Modified {
			text += ", with local changes"
		}
		text += "\n"
	}
	if b.Time != "" {
		text += "of        " + b.Time + "\n"
	}
	return text + fmt.Sprintf("built by  %s for %s/%s\n", b.Go, b.OS, b.Arch)
}
