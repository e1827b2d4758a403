package resolve

import (
	"net/netip"
	"os"

	"github.com/google/go-cmp/cmp"
)


// byString compares addresses as they are written.
var byString = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func writeText(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
