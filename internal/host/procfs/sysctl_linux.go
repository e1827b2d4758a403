package procfs

import (
	"fmt"
	"os"
	"strings"

	"github.com/dialscope/dialscope/evidence"
)

// Sysctl reads one kernel setting, named as sysctl(8) does: levels separated
// by dots, a dot within a level (an interface's name) written as a slash. The
// fields of the value are separated by one space. A setting that this kernel
// does not have gives an error that is fs.ErrNotExist.
func Sysctl(name string) (*evidence.Sysctl, error) {
	path, err := sysctlPath(name)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sysctl %s: %w", name, err)
	}
	return &evidence.Sysctl{Name: name, Value: strings.Join(strings.Fields(string(content)), " ")}, nil
}

var swapDots = strings.NewReplacer(".", "/", "/", ".")

func sysctlPath(name string) (string, error) {
	path := swapDots.Replace(name)
	for level := range strings.SplitSeq(path, "/") {
		if level == "" || level == "." || level == ".." {
			return "", fmt.Errorf("sysctl %q: %w", name, os.ErrInvalid)
		}
	}
	return "/proc/sys/" + path, nil
}
