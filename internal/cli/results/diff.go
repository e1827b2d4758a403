package results

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/dialscope/dialscope/cause"
)

// Change is a target whose result differs between two sweeps.
type Change struct {
	Kind string         `json:"change"` // opened, closed, changed, appeared, vanished
	Addr netip.AddrPort `json:"target"`
	Old  *Side          `json:"old,omitempty"`
	New  *Side          `json:"new,omitempty"`
}

// Side is what one sweep said.
type Side struct {
	Outcome cause.Outcome `json:"outcome"`
	Cause   cause.ID      `json:"cause"`
}

// Read gives the results in a journal, or in the NDJSON of sweep --json, by
// target.
func Read(in io.Reader) (map[netip.AddrPort]Side, error) {
	all := map[netip.AddrPort]Side{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	journal := false
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if body, ok := unseal(append(slices.Clip(line), '\n')); ok {
			if line = body; n == 1 {
				if _, err := readPlan(bufio.NewReader(bytes.NewReader(append(slices.Clip(lines.Bytes()), '\n')))); err == nil {
					journal = true
					continue
				}
			}
		} else if journal {
			break // torn
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r, err := Parse(line)
		if err != nil || r.Outcome == "" {
			return nil, fmt.Errorf("line %d is no result of a sweep", n)
		}
		all[r.Addr] = Side{r.Outcome, r.Cause}
	}
	return all, lines.Err()
}

// Diff compares two sweeps, in the order of the targets.
func Diff(before, after map[netip.AddrPort]Side) []Change {
	var all []Change
	for a, o := range before {
		n, still := after[a]
		switch {
		case !still:
			all = append(all, Change{"vanished", a, &o, nil})
		case o == n:
		case o.Outcome != cause.Open && n.Outcome == cause.Open:
			all = append(all, Change{"opened", a, &o, &n})
		case o.Outcome == cause.Open && n.Outcome != cause.Open:
			all = append(all, Change{"closed", a, &o, &n})
		default:
			all = append(all, Change{"changed", a, &o, &n})
		}
	}
	for a, n := range after {
		if _, had := before[a]; !had {
			all = append(all, Change{"appeared", a, nil, &n})
		}
	}
	slices.SortFunc(all, func(x, y Change) int {
		return cmp.Or(x.Addr.Compare(y.Addr), cmp.Compare(x.Kind, y.Kind))
	})
	return all
}
