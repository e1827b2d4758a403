package sweep

import (
	"net/netip"
	"slices"
	"sort"
)

// Seen remembers what spaces were made of, so that a stream of targets that is
// read in parts has none twice. It remembers SeenMost spans; what is first
// named after that many may be swept once more where it is named again. The
// zero value remembers nothing yet.
type Seen struct {
	groups []*seenGroup
	lists  map[string]*seenGroup
	n      int
}

// SeenMost bounds the memory of a [Seen] to some tens of megabytes. Runs of
// addresses count once.
const SeenMost = 1 << 20

// seenGroup is what was seen with a list of ports.
type seenGroup struct {
	ports []uint16
	spans []Span              // a union, of addresses without a zone
	zoned map[netip.Addr]bool // and each with one
}

func (s *Seen) before() []*seenGroup {
	if s == nil {
		return nil
	}
	return s.groups
}

func (s *Seen) add(groups []*group) {
	if s == nil {
		return
	}
	if s.lists == nil {
		s.lists = map[string]*seenGroup{}
	}
	for _, g := range groups {
		if s.n >= SeenMost {
			return
		}
		key := portsKey(g.ports)
		of := s.lists[key]
		if of == nil {
			of = &seenGroup{ports: g.ports, zoned: map[netip.Addr]bool{}}
			s.lists[key] = of
			s.groups = append(s.groups, of)
		}
		s.n -= of.size()
		plain := slices.DeleteFunc(slices.Clone(g.spans), func(x Span) bool {
			zoned := x.First.Zone() != ""
			if zoned {
				of.zoned[x.First] = true
			}
			return zoned
		})
		of.spans = merge(of.spans, union(plain))
		s.n += of.size()
	}
}

func (g *seenGroup) size() int { return len(g.spans) + len(g.zoned) }

// outOf takes what was seen out of spans.
func (g *seenGroup) outOf(spans []Span) []Span {
	var out []Span
	for _, s := range spans {
		switch {
		case s.First.Zone() == "":
			out = append(out, subtract([]Span{s}, g.spans)...)
		case !g.zoned[s.First]:
			out = append(out, s)
		}
	}
	return out
}

// firstNotBefore is the first of sorted spans without a zone that does not end before a.
func firstNotBefore(sorted []Span, a netip.Addr) int {
	a = a.WithZone("")
	return sort.Search(len(sorted), func(i int) bool { return !sorted[i].Last.Less(a) })
}
