package results

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// Tally sums a sweep up as it goes, in memory that does not grow with it.
type Tally struct {
	Total    int
	outcomes map[cause.Outcome]int
	open     map[uint16]int
	groups   map[group]int
	buckets  [64 * steps]int // handshakes by latency, four steps to a power of two
	answered int
}

const steps = 4

// group is failures that have a cause, somebody behind it, and a network in common.
type group struct {
	network netip.Prefix
	cause   cause.ID
	who     netip.Addr
}

// NewTally begins at nothing.
func NewTally() *Tally {
	return &Tally{outcomes: map[cause.Outcome]int{}, open: map[uint16]int{}, groups: map[group]int{}}
}

// Add counts a record.
func (t *Tally) Add(r *Record) {
	t.Total++
	t.outcomes[r.Outcome]++
	if r.Outcome == cause.Open || r.Outcome == cause.Refused {
		t.answered++
		t.buckets[bucket(r.Latency)]++
	}
	if r.Outcome == cause.Open {
		t.open[r.Addr.Port()]++
		return
	}
	g := group{cause: r.Cause}
	if a := r.Addr.Addr(); a.IsValid() {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		g.network, _ = a.WithZone("").Prefix(bits)
	}
	if r.ICMP.Version != 0 && r.ICMP.Offender != r.Addr.Addr() {
		g.who = r.ICMP.Offender
	}
	if len(t.groups) >= mostGroups {
		if _, known := t.groups[g]; !known {
			g.network = netip.Prefix{}
		}
	}
	t.groups[g]++
}

// mostGroups bounds what the tally remembers; beyond it, networks are added up.
const mostGroups = 1 << 16

func bucket(d time.Duration) int {
	n := uint64(max(d, 1))
	top := bits.Len64(n) - 1
	part := 0
	if top >= 2 {
		part = int(n>>(top-2)) & (steps - 1)
	}
	return top*steps + part
}

// below is the upper end of a bucket.
func below(b int) time.Duration {
	top, part := b/steps, b%steps
	return time.Duration((uint64(1) << top) / steps * uint64(steps+part+1))
}

// Quantile is the latency that a share of the answers did not exceed, to a
// quarter of a power of two.
func (t *Tally) Quantile(q float64) time.Duration {
	want, sum := int(q*float64(t.answered)+0.999999), 0
	for b, n := range t.buckets {
		if sum += n; n > 0 && sum >= want {
			return below(b)
		}
	}
	return 0
}

// Outcomes says how often each outcome came: "open 12, refused 300".
func (t *Tally) Outcomes() string {
	var words []string
	for _, o := range slices.SortedFunc(maps.Keys(t.outcomes), func(a, b cause.Outcome) int {
		return cmp.Or(t.outcomes[b]-t.outcomes[a], cmp.Compare(a, b))
	}) {
		words = append(words, fmt.Sprintf("%s %d", o, t.outcomes[o]))
	}
	return strings.Join(words, ", ")
}

// OpenPorts says which ports were open, most frequent first, n at most.
func (t *Tally) OpenPorts(n int) string {
	ports := slices.SortedFunc(maps.Keys(t.open), func(a, b uint16) int { return cmp.Or(t.open[b]-t.open[a], cmp.Compare(a, b)) })
	var words []string
	for i, p := range ports {
		if i == n {
			words = append(words, fmt.Sprintf("and %d more", len(ports)-n))
			break
		}
		words = append(words, fmt.Sprintf("%d × %d", t.open[p], p))
	}
	return strings.Join(words, ", ")
}

// Groups says the failures by network and cause, largest first, n lines at most:
// "10.0.4.0/24: 254 × admin-prohibited by 10.0.0.1".
func (t *Tally) Groups(n int) []string {
	keys := slices.SortedFunc(maps.Keys(t.groups), func(a, b group) int {
		return cmp.Or(t.groups[b]-t.groups[a], a.network.Addr().Compare(b.network.Addr()), cmp.Compare(a.cause, b.cause), a.who.Compare(b.who))
	})
	var lines []string
	for i, g := range keys {
		if i == n {
			lines = append(lines, fmt.Sprintf("and %d groups more", len(keys)-n))
			break
		}
		where := "elsewhere"
		if g.network.IsValid() {
			where = g.network.String()
		}
		line := fmt.Sprintf("%s: %d × %s", where, t.groups[g], g.cause)
		if g.who.IsValid() {
			line += " by " + g.who.String()
		}
		lines = append(lines, line)
	}
	return lines
}

// Histogram draws the latencies of the answers, a line for each power of two.
func (t *Tally) Histogram(width int, bar string) []string {
	var sums [64]int
	most, first, last := 0, 64, -1
	for b, n := range t.buckets {
		sums[b/steps] += n
	}
	for top, n := range sums {
		if n > 0 {
			first, last = min(first, top), top
		}
		most = max(most, n)
	}
	var lines []string
	for top := first; top <= last; top++ {
		n := sums[top]
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%9s %8d %s", "< "+cause.Duration(time.Duration(uint64(1)<<(top+1))), n, strings.Repeat(bar, n*width/max(most, 1))), " "))
	}
	return lines
}
