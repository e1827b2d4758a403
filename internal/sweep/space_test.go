package sweep

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

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
	s, err := NewSpace(wants, ports, out, nil)
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
		_, err = NewSpace([]Want{{Span: target.Span}}, []uint16{80}, nil, nil)
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

// Lists of ports that overlap, prefixes within others and the same word twice:
// each target is there once, in whatever order the words come.
func TestNoTargetTwice(t *testing.T) {
	for _, words := range [][]string{
		{"192.0.2.1:80,443", "192.0.2.1", "192.0.2.1:443,22", "192.0.2.1:80"},
		{"192.0.2.0/30", "192.0.2.1:80,443", "192.0.2.2-3", "192.0.2.3:1-1000", "192.0.2.1"},
		{"[fe80::1%a]:80,81", "[fe80::1%b]:80", "fe80::1%a"},
		{"192.0.2.1:1-65535", "192.0.2.1:-", "192.0.2.1"},
	} {
		seen := map[string]bool{}
		s := space(t, words, []uint16{22, 80})
		for i := range s.Total() {
			a := s.At(i).String()
			if seen[a] {
				t.Errorf("%v: %s is there twice", words, a)
			}
			seen[a] = true
		}
		for _, w := range words {
			one := space(t, []string{w}, []uint16{22, 80})
			for i := range one.Total() {
				if a := one.At(i).String(); !seen[a] {
					t.Errorf("%v: %s is not there", words, a)
				}
			}
		}
		turned := slices.Clone(words)
		slices.Reverse(turned)
		if space(t, turned, []uint16{22, 80}).Digest() != s.Digest() {
			t.Errorf("%v: in another order it is another space", words)
		}
	}
}

// anyWants draws words of overlapping spans, each with ports of its own.
func anyWants(t *rapid.T, label string) []Want {
	base := numOf(netip.MustParseAddr("10.0.0.0"))
	var wants []Want
	for range rapid.IntRange(1, 6).Draw(t, label) {
		first := rapid.IntRange(0, 40).Draw(t, "first")
		last := rapid.IntRange(first, min(first+20, 40)).Draw(t, "last")
		w := Want{Span: Span{base.add(uint64(first)).addr(true), base.add(uint64(last)).addr(true)}}
		if rapid.IntRange(0, 3).Draw(t, "zoned") == 0 {
			a := netip.MustParseAddr("fe80::1").WithZone(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone"))
			w.Span = Span{a, a}
		}
		if rapid.Bool().Draw(t, "own ports") {
			w.Ports = rapid.SliceOfN(rapid.Uint16Range(1, 6), 1, 6).Draw(t, "ports")
		}
		wants = append(wants, w)
	}
	return wants
}

func wanted(wants []Want, ports []uint16) map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for _, w := range wants {
		list := w.Ports
		if list == nil {
			list = ports
		}
		for a := w.First; ; a = a.Next() {
			for _, p := range list {
				all[netip.AddrPortFrom(a, p)] = true
			}
			if a == w.Last {
				break
			}
		}
	}
	return all
}

// The parts of a stream together hold each target that is wanted, once.
func TestSeenProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := []uint16{2, 4, 6}
		var seen Seen
		var all []Want
		got := map[netip.AddrPort]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			wants := anyWants(t, "wants")
			all = append(all, wants...)
			s, err := NewSpace(wants, ports, nil, &seen)
			if err != nil {
				t.Fatal(err)
			}
			for i := range s.Total() {
				a := s.At(i)
				if got[a] {
					t.Fatalf("%v is there twice", a)
				}
				got[a] = true
			}
		}
		if diff := cmp.Diff(len(wanted(all, ports)), len(got)); diff != "" {
			t.Fatal(diff)
		}
		for a := range wanted(all, ports) {
			if !got[a] {
				t.Fatalf("%v is missing", a)
			}
		}
	})
}

// A million words cost no more than a look at each; what is beyond the bound
// may come again, and nothing else changes.
func TestSeenIsBounded(t *testing.T) {
	seen := Seen{n: SeenMost}
	want := []Want{{Span: Span{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.1")}}}
	for range 2 {
		s, err := NewSpace(want, []uint16{80}, nil, &seen)
		if err != nil || s.Total() != 1 {
			t.Errorf("%d targets, %v", s.Total(), err)
		}
	}
}

func TestMergeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := func(label string) []Span {
			var out []Span
			for _, w := range anyWants(t, label) {
				out = append(out, w.Span)
			}
			return out
		}
		a, b := spans("a"), spans("b")
		got, want := merge(union(a), union(b)), union(append(slices.Clone(a), b...))
		if !slices.Equal(got, want) {
			t.Fatalf("merge of %v and %v: %v, want %v", a, b, got, want)
		}
	})
}

// Shards share an order: together they deal out each target once.
func TestShardsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wants := anyWants(t, "wants")
		shards := rapid.IntRange(1, 7).Draw(t, "shards")
		seed := rapid.Uint64().Draw(t, "seed")
		got := map[netip.AddrPort]int{}
		for k := 1; k <= shards; k++ {
			s, err := NewSpace(wants, []uint16{80}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			plan := NewSchedule(Options{Limits: Limits{InFlight: 1 << 12}, Seed: seed, Shard: k, Shards: shards})
			plan.Add(s)
			plan.Close()
			var into [32]Attempt
			for now := time.Duration(0); !plan.Finished(); now += time.Second {
				n, _ := plan.Take(now, into[:])
				for _, a := range into[:n] {
					got[a.Addr]++
					plan.Done(now, a, Answered, 1)
				}
			}
		}
		want := wanted(wants, []uint16{80})
		if len(got) != len(want) {
			t.Fatalf("%d targets, want %d", len(got), len(want))
		}
		for a, n := range got {
			if n != 1 || !want[a] {
				t.Fatalf("%v: %d times, wanted: %v", a, n, want[a])
			}
		}
	})
}

// An order of any length, by any seed, is a permutation.
func TestOrderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 5000).Draw(t, "n")
		o := NewOrder(n, rapid.Uint64().Draw(t, "seed"))
		seen := make([]bool, n)
		for i := range n {
			at := o.At(i)
			if at >= n || seen[at] {
				t.Fatalf("place %d of %d: %d", i, n, at)
			}
			seen[at] = true
		}
	})
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
		s, err := NewSpace(wants, []uint16{80}, exclude, nil)
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
