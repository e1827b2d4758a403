package sweep

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func service(name string) (uint16, bool) {
	return map[string]uint16{"http": 80, "https": 443}[name], name == "http" || name == "https"
}

// targets reads words and lists every target of their space.
func targets(t *testing.T, words []string, ports []uint16, exclude ...string) []string {
	t.Helper()
	s := space(t, words, ports, exclude...)
	var all []string
	for i := range s.Total() {
		all = append(all, s.At(i).String())
	}
	slices.Sort(all)
	return all
}

func space(t testing.TB, words []string, ports []uint16, exclude ...string) *Space {
	t.Helper()
	var wants []Want
	var out []Span
	for _, w := range words {
		target, err := ParseTarget(w, false, service)
		if err != nil {
			t.Fatal(err)
		}
		wants = append(wants, Want{target.Span, target.Ports})
	}
	for _, x := range exclude {
		span, err := ParseExclusion(x)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, span)
	}
	s, err := NewSpace(wants, ports, out)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSpace(t *testing.T) {
	for _, c := range []struct {
		words, exclude []string
		ports          []uint16
		want           []string
	}{
		{words: []string{"192.0.2.0/30"}, ports: []uint16{80}, want: []string{"192.0.2.1:80", "192.0.2.2:80"}},
		{words: []string{"192.0.2.0/31"}, ports: []uint16{80}, want: []string{"192.0.2.0:80", "192.0.2.1:80"}}, // RFC 3021
		{words: []string{"192.0.2.9/32"}, ports: []uint16{80, 22}, want: []string{"192.0.2.9:22", "192.0.2.9:80"}},
		{words: []string{"192.0.2.254-192.0.3.1"}, ports: []uint16{1}, want: []string{"192.0.2.254:1", "192.0.2.255:1", "192.0.3.0:1", "192.0.3.1:1"}},
		{words: []string{"192.0.2.8-9", "192.0.2.9", "192.0.2.9-10"}, ports: []uint16{7, 7}, want: []string{"192.0.2.10:7", "192.0.2.8:7", "192.0.2.9:7"}},
		{words: []string{"192.0.2.0/29"}, ports: []uint16{80}, exclude: []string{"192.0.2.2-192.0.2.4", "192.0.2.6", "198.51.100.0/24"},
			want: []string{"192.0.2.1:80", "192.0.2.5:80"}},
		{words: []string{"192.0.2.1"}, ports: []uint16{80}, exclude: []string{"192.0.2.0/24"}},
		{words: []string{"2001:db8::fffe/127", "2001:db8::1"}, ports: []uint16{443}, exclude: []string{"2001:db8::ffff"},
			want: []string{"[2001:db8::1]:443", "[2001:db8::fffe]:443"}},
		{words: []string{"192.0.2.1:http,81", "[2001:db8::1]:90-91", "192.0.2.1"}, ports: []uint16{22},
			want: []string{"192.0.2.1:22", "192.0.2.1:80", "192.0.2.1:81", "[2001:db8::1]:90", "[2001:db8::1]:91"}},
		{words: []string{"fe80::1%eth0", "fe80::1%eth1", "fe80::1%eth0"}, ports: []uint16{1}, want: []string{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1"}},
		{words: []string{"fe80::1%eth0"}, ports: []uint16{1}, exclude: []string{"fe80::/10"}},
		{words: []string{"::ffff:192.0.2.1"}, ports: []uint16{1}, want: []string{"192.0.2.1:1"}},
	} {
		if diff := cmp.Diff(c.want, targets(t, c.words, c.ports, c.exclude...)); diff != "" {
			t.Errorf("%v without %v: %s", c.words, c.exclude, diff)
		}
	}
}

func TestSpaceEdges(t *testing.T) {
	s := space(t, []string{"255.255.255.250-255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, []uint16{1})
	if s.Total() != 6+16 {
		t.Errorf("%d targets", s.Total())
	}
	if all := space(t, []string{"0.0.0.1-255.255.255.254"}, []uint16{1, 2, 3}); all.Total() != 3*(1<<32-2) {
		t.Errorf("%d targets", all.Total())
	} else if a := all.At(all.Total() - 1); a.String() != "255.255.255.254:3" {
		t.Errorf("the last is %v", a)
	}
	for _, p := range []string{"::/0", "2001:db8::/48"} {
		target, err := ParseTarget(p, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewSpace([]Want{{Span: target.Span}}, []uint16{80}, nil)
		var many *TooManyError
		if !errors.As(err, &many) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if d := Takes(1000, 100).Seconds(); d != 10 {
		t.Errorf("takes %v s", d)
	}
	if Takes(math.MaxUint64, 1e-9) != math.MaxInt64 {
		t.Error("takes for ever")
	}
}

// Exclusions are obeyed whatever is asked for: checked against the plain test
// of each address.
func TestExclusionsAlwaysHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := netip.MustParseAddr("10.0.0.0")
		span := func(label string) Span {
			first := rapid.IntRange(0, 300).Draw(t, label)
			last := rapid.IntRange(first, min(first+100, 300)).Draw(t, label)
			return Span{numOf(base).add(uint64(first)).addr(true), numOf(base).add(uint64(last)).addr(true)}
		}
		var wants []Want
		var exclude []Span
		for range rapid.IntRange(1, 5).Draw(t, "wants") {
			wants = append(wants, Want{Span: span("want")})
		}
		for range rapid.IntRange(0, 6).Draw(t, "exclusions") {
			exclude = append(exclude, span("exclude"))
		}
		within := func(a netip.Addr, spans []Span) bool {
			return slices.ContainsFunc(spans, func(s Span) bool { return !a.Less(s.First) && !s.Last.Less(a) })
		}
		want := map[netip.Addr]bool{}
		for i := range uint64(301) {
			a := numOf(base).add(i).addr(true)
			if within(a, exclude) {
				continue
			}
			if slices.ContainsFunc(wants, func(w Want) bool { return within(a, []Span{w.Span}) }) {
				want[a] = true
			}
		}
		s, err := NewSpace(wants, []uint16{80}, exclude)
		if err != nil {
			t.Fatal(err)
		}
		if s.Total() != uint64(len(want)) {
			t.Fatalf("%d targets, want %d", s.Total(), len(want))
		}
		for i := range s.Total() {
			a := s.At(i).Addr()
			if !want[a] {
				t.Fatalf("%v is not wanted, or there twice", a)
			}
			delete(want, a)
		}
	})
}

func TestDigest(t *testing.T) {
	a := space(t, []string{"192.0.2.1", "192.0.2.0/29"}, []uint16{80})
	if b := space(t, []string{"192.0.2.0/29"}, []uint16{80, 80}); a.Digest() != b.Digest() {
		t.Error("the same targets, another digest")
	}
	for _, other := range []*Space{
		space(t, []string{"192.0.2.0/29"}, []uint16{81}), space(t, []string{"192.0.2.0/28"}, []uint16{80}),
		space(t, []string{"192.0.2.0/29"}, []uint16{80}, "192.0.2.3"), space(t, []string{"fe80::1%a"}, []uint16{80}),
	} {
		if other.Digest() == a.Digest() {
			t.Errorf("%v: the same digest", other.blocks)
		}
	}
}

// An order is a permutation, and the same seed gives the same.
func TestOrder(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4, 5, 16, 17, 100, 1000, 65536, 65537} {
		o, same, other := NewOrder(n, 7), NewOrder(n, 7), NewOrder(n, 8)
		seen := make([]bool, n)
		moved, differs := uint64(0), false
		for i := range n {
			at := o.At(i)
			if at >= n || seen[at] {
				t.Fatalf("of %d: place %d has %d, which is out of range or taken", n, i, at)
			}
			seen[at] = true
			if at != i {
				moved++
			}
			if same.At(i) != at {
				t.Fatalf("of %d: the same seed, another order", n)
			}
			differs = differs || other.At(i) != at
		}
		if n >= 100 && (moved < n*9/10 || !differs) {
			t.Errorf("of %d: %d moved, other seed differs: %v", n, moved, differs)
		}
	}
}

// Neighbours are far apart: over a /16, few successive targets share a /24.
func TestOrderSpreads(t *testing.T) {
	o := NewOrder(65536, 1)
	together := 0
	for i := range uint64(65535) {
		if o.At(i)>>8 == o.At(i+1)>>8 {
			together++
		}
	}
	if together > 2*256 {
		t.Errorf("%d of 65535 steps stay within a /24; chance is 256", together)
	}
}

func BenchmarkTarget(b *testing.B) {
	s := space(b, []string{"10.0.0.0/8"}, []uint16{80, 443, 22})
	o := NewOrder(s.Total(), 1)
	for i := range uint64(b.N) {
		s.At(o.At(i % s.Total()))
	}
}
