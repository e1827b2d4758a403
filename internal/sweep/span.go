package sweep

import (
	"fmt"
	"net/netip"
	"slices"
)

// Span is a run of addresses of one family, both ends included.
type Span struct{ First, Last netip.Addr }

// SpanOf gives the addresses of a prefix. Bits beyond its length are masked.
func SpanOf(p netip.Prefix) Span {
	p = p.Masked()
	first := p.Addr()
	n := numOf(first)
	switch host := first.BitLen() - p.Bits(); {
	case host >= 128:
		n = num{^uint64(0), ^uint64(0)}
	case host > 64:
		n.hi |= 1<<(host-64) - 1
		n.lo = ^uint64(0)
	case host == 64:
		n.lo = ^uint64(0)
	default:
		n.lo |= 1<<host - 1
	}
	return Span{first, n.addr(first.Is4())}
}

// String writes the span as it is typed.
func (s Span) String() string {
	if s.First == s.Last {
		return s.First.String()
	}
	return fmt.Sprintf("%s-%s", s.First, s.Last)
}

// size is the number of addresses less one, which always fits.
func (s Span) size() num { return numOf(s.Last).minus(numOf(s.First)) }

// Reserved lists what no TCP connection can go to: this network, multicast,
// the future class E with the limited broadcast (RFC 6890), and their IPv6
// twins (RFC 4291 §2.4).
func Reserved() []Span {
	var spans []Span
	for _, text := range []string{"0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"} {
		spans = append(spans, SpanOf(netip.MustParsePrefix(text)))
	}
	return spans
}

// union sorts spans and joins those that touch or overlap. A zone belongs to a
// single address, and such spans are joined only with their equals.
func union(spans []Span) []Span {
	sorted := slices.Clone(spans)
	slices.SortFunc(sorted, func(a, b Span) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		return b.Last.Compare(a.Last)
	})
	var out []Span
	for _, s := range sorted {
		out = join(out, s)
	}
	return out
}

// join appends a span that does not begin before the last.
func join(out []Span, s Span) []Span {
	n := len(out)
	if n == 0 || !joins(out[n-1], s) {
		return append(out, s)
	}
	if out[n-1].Last.Less(s.Last) {
		out[n-1].Last = s.Last
	}
	return out
}

// merge is the union of two unions.
func merge(a, b []Span) []Span {
	out := make([]Span, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].First.Compare(b[0].First) <= 0 {
			out, a = join(out, a[0]), a[1:]
		} else {
			out, b = join(out, b[0]), b[1:]
		}
	}
	return out
}

// joins says that b, which does not begin before a, begins in a or right after it.
func joins(a, b Span) bool {
	if a.First.Is4() != b.First.Is4() || a.First.Zone() != b.First.Zone() {
		return false
	}
	if a.First.Zone() != "" {
		return a == b
	}
	return !a.Last.Less(b.First) || numOf(a.Last).next() == numOf(b.First)
}

// subtract takes what is excluded out of spans; excluded is a union without
// zones. A zone does not protect an address from being excluded.
func subtract(spans, excluded []Span) []Span {
	var out []Span
	for _, s := range spans {
		is4, zone := s.First.Is4(), s.First.Zone()
		first, last := numOf(s.First), numOf(s.Last)
		gone := false
		for _, x := range excluded[firstNotBefore(excluded, s.First):] {
			lo, hi := numOf(x.First), numOf(x.Last)
			if x.First.Is4() != is4 || last.less(lo) {
				break
			}
			if first.less(lo) {
				out = append(out, Span{first.addr(is4).WithZone(zone), lo.prev().addr(is4).WithZone(zone)})
			}
			if !hi.less(last) {
				gone = true
				break
			}
			first = hi.next()
		}
		if !gone {
			out = append(out, Span{first.addr(is4).WithZone(zone), last.addr(is4).WithZone(zone)})
		}
	}
	return out
}
