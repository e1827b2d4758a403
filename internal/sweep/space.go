package sweep

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Want is what one word of the command line asks for: addresses, and its own
// ports where it names them.
type Want struct {
	Span
	Ports []uint16 // nil: the sweep's
}

// Space is a set of targets: every address of some spans with every port of
// their list. Each target has a number from 0 to Total()-1, and no target has
// two.
type Space struct {
	blocks []block
	ends   []uint64 // of each block, the number after its last target
}

type block struct {
	Span
	first num
	ports []uint16
}

// NewSpace joins what is wanted and takes out what is excluded. Targets that
// are asked for twice with the same list of ports are in it once.
func NewSpace(wants []Want, ports []uint16, exclude []Span) (*Space, error) {
	type group struct {
		ports []uint16
		spans []Span
	}
	groups, order := map[string]*group{}, []string{}
	for _, w := range wants {
		list := w.Ports
		if list == nil {
			list = ports
		}
		list = slices.Compact(slices.Sorted(slices.Values(list)))
		key := portsKey(list)
		if groups[key] == nil {
			groups[key] = &group{ports: list}
			order = append(order, key)
		}
		groups[key].spans = append(groups[key].spans, w.Span)
	}
	slices.Sort(order)
	excluded := union(exclude)
	s := new(Space)
	total := new(big.Int)
	for _, key := range order {
		g := groups[key]
		for _, span := range subtract(union(g.spans), excluded) {
			total.Add(total, count(span, len(g.ports)))
			s.blocks = append(s.blocks, block{span, numOf(span.First), g.ports})
			s.ends = append(s.ends, total.Uint64())
		}
	}
	if total.Cmp(most) > 0 {
		return nil, &TooManyError{Targets: total}
	}
	return s, nil
}

// most is more than anyone can wait for, and leaves the arithmetic room.
var most = big.NewInt(1 << 60)

func count(s Span, ports int) *big.Int {
	n := s.size()
	c := new(big.Int).SetUint64(n.hi)
	c.Lsh(c, 64).Add(c, new(big.Int).SetUint64(n.lo)).Add(c, big.NewInt(1))
	return c.Mul(c, big.NewInt(int64(ports)))
}

func portsKey(ports []uint16) string {
	var b strings.Builder
	for _, p := range ports {
		b.WriteString(strconv.Itoa(int(p)))
		b.WriteByte(',')
	}
	return b.String()
}

// TooManyError is a space that no sweep ends within.
type TooManyError struct{ Targets *big.Int }

func (e *TooManyError) Error() string {
	years := new(big.Float).SetInt(e.Targets)
	years.Quo(years, big.NewFloat(100_000*365.25*86400))
	y, _ := years.Float64()
	return fmt.Sprintf("%s targets would take %.2g years at 100,000 a second: name a smaller prefix or fewer ports",
		power(e.Targets), y)
}

// power writes a huge number as a power of two where it is near one.
func power(n *big.Int) string {
	f, _ := new(big.Float).SetInt(n).Float64()
	return fmt.Sprintf("about 2^%.0f", math.Log2(f))
}

// Total is the number of targets.
func (s *Space) Total() uint64 {
	if len(s.ends) == 0 {
		return 0
	}
	return s.ends[len(s.ends)-1]
}

// At gives target i.
func (s *Space) At(i uint64) netip.AddrPort {
	n := 0
	if len(s.ends) > 1 {
		n = sort.Search(len(s.ends), func(k int) bool { return s.ends[k] > i })
	}
	b := &s.blocks[n]
	if n > 0 {
		i -= s.ends[n-1]
	}
	ports := uint64(len(b.ports))
	a := b.First
	if at := i / ports; at > 0 {
		a = b.first.add(at).addr(a.Is4())
	}
	return netip.AddrPortFrom(a, b.ports[i%ports])
}

// Digest identifies the space: two spaces with the same targets in the same
// numbering have the same.
func (s *Space) Digest() uint64 {
	h := mix(0x5eed)
	for _, b := range s.blocks {
		n, l := b.first, numOf(b.Last)
		for _, v := range []uint64{n.hi, n.lo, l.hi, l.lo, uint64(len(b.ports))} {
			h = mix(h ^ v)
		}
		for _, c := range []byte(b.First.Zone()) {
			h = mix(h ^ uint64(c))
		}
		for _, p := range b.ports {
			h = mix(h ^ uint64(p))
		}
	}
	return h
}

// Firsts are the first addresses of the space's spans.
func (s *Space) Firsts() []netip.Addr {
	var all []netip.Addr
	for _, b := range s.blocks {
		all = append(all, b.First)
	}
	return all
}

// Takes is how long so many targets take at a rate a second.
func Takes(targets uint64, rate float64) time.Duration {
	s := float64(targets) / rate
	if s > math.MaxInt64/1e9 {
		return math.MaxInt64
	}
	return time.Duration(s * 1e9)
}
