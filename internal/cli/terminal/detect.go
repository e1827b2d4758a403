package terminal

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/term"
)

// Mode is the person's word on colour.
type Mode string

// The modes. Auto is colour on a terminal that does not say no.
const (
	Auto   Mode = "auto"
	Always Mode = "always"
	Never  Mode = "never"
)

// ParseMode reads a mode.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Auto, Always, Never:
		return m, nil
	}
	return "", fmt.Errorf("%q is no colour mode: use auto, always or never", text)
}

// defaultWidth is for an output that is no terminal, or does not tell.
const defaultWidth = 80

// narrowest is the width below which lines are not broken any shorter.
const narrowest = 40

// Is says that the stream is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Detect finds the style for an output. Env looks up the environment:
// NO_COLOR (no-color.org), CLICOLOR_FORCE (bixense.com/clicolors), TERM, the
// locale's LC_ALL, LC_CTYPE and LANG, and COLUMNS where out is no terminal.
func Detect(out io.Writer, mode Mode, env func(string) string) Style {
	return Style{
		Width:   width(out, env),
		Colour:  colour(out, mode, env),
		Unicode: utf8Locale(env),
	}
}

// Rows is the height of a terminal; 0 where it is not known.
func Rows(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 0
	}
	_, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return rows
}

func width(out io.Writer, env func(string) string) int {
	columns := defaultWidth
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n > 0 {
		columns = n
	}
	if f, ok := out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			columns = w
		}
	}
	return max(columns, narrowest)
}

func colour(out io.Writer, mode Mode, env func(string) string) bool {
	switch mode {
	case Always:
		return true
	case Never:
		return false
	}
	switch {
	case env("NO_COLOR") != "":
		return false
	case env("CLICOLOR_FORCE") != "" && env("CLICOLOR_FORCE") != "0":
		return true
	case !Is(out), env("TERM") == "dumb":
		return false
	case runtime.GOOS == "windows": // the old console shows the sequences themselves
		return env("WT_SESSION") != "" || env("TERM") != "" || env("ANSICON") != ""
	}
	return true
}

// utf8Locale follows locale(7): the first of the three that is set decides.
func utf8Locale(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := env(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return runtime.GOOS == "darwin" || env("WT_SESSION") != ""
}
