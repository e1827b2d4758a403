package sweep

import (
	"encoding/binary"
	"fmt"
	"maps"
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

// NewSpace joins what is wanted and takes out what is excluded, and what is in
// a space that was made with the same Seen before. A target that is asked for
// twice is in it once. seen may be nil.
func NewSpace(wants []Want, ports []uint16, exclude []Span, seen *Seen) (*Space, error) {
	var groups []*group // of each list of ports, what is wanted with it
	byList := map[string]*group{}
	for _, w := range wants {
		list := w.Ports
		if list == nil {
			list = ports
		}
		list = slices.Compact(slices.Sorted(slices.Values(list)))
		key := portsKey(list)
		if byList[key] == nil {
			byList[key] = &group{ports: list}
			groups = append(groups, byList[key])
		}
		byList[key].spans = append(byList[key].spans, w.Span)
	}
	slices.SortFunc(groups, func(a, b *group) int { return slices.Compare(a.ports, b.ports) })
	excluded := union(exclude)
	s := new(Space)
	total := new(big.Int)
	for _, share := range disjoint(groups, seen.before()) {
		spans := subtract(union(share.spans), excluded)
		for _, earlier := range share.seen {
			spans = earlier.outOf(spans)
		}
		for _, span := range spans {
			total.Add(total, count(span, len(share.ports)))
			s.blocks = append(s.blocks, block{span, numOf(span.First), share.ports})
			s.ends = append(s.ends, total.Uint64())
		}
	}
	if total.Cmp(most) > 0 {
		return nil, &TooManyError{Targets: total}
	}
	seen.add(groups)
	return s, nil
}

// group is spans with a list of ports.
type group struct {
	ports []uint16
	spans []Span
}

// share is ports that are wanted, and were seen, with the same groups.
type share struct {
	group
	seen []*seenGroup
}

// disjoint sorts the ports of all groups by which groups they are in: no port
// is in two of the shares, and the lists of ports in use remain few.
func disjoint(groups []*group, seen []*seenGroup) []*share {
	in := map[uint16][]int32{} // of each port, its groups; those seen are negative
	for i, g := range groups {
		for _, p := range g.ports {
			in[p] = append(in[p], int32(i))
		}
	}
	for i, g := range seen {
		for _, p := range g.ports {
			if of := in[p]; of != nil {
				in[p] = append(of, int32(-1-i))
			}
		}
	}
	var shares []*share
	known := map[string]*share{}
	var key []byte
	for _, port := range slices.Sorted(maps.Keys(in)) {
		key = key[:0]
		for _, g := range in[port] {
			key = binary.NativeEndian.AppendUint32(key, uint32(g))
		}
		p := known[string(key)]
		if p == nil {
			p = new(share)
			for _, g := range in[port] {
				if g >= 0 {
					p.spans = append(p.spans, groups[g].spans...)
				} else {
					p.seen = append(p.seen, seen[-1-g])
				}
			}
			known[string(key)] = p
			shares = append(shares, p)
		}
		p.ports = append(p.ports, port)
	}
	return shares
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
