package tcpstate

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// syn is a SYN of a client of its own.
func syn(n int, at time.Duration) Segment {
	return Segment{Time: at, Src: Addr{Lo: Mapped4 | uint64(n>>16)}, SrcPort: uint16(n), Dst: server.Addr, DstPort: server.Port, Flags: SYN, Seq: uint32(n)}
}

func answer(s Segment, flags uint16, at time.Duration) Segment {
	return Segment{Time: at, Src: s.Dst, SrcPort: s.DstPort, Dst: s.Src, DstPort: s.SrcPort, Flags: flags, Seq: 0, Ack: s.Seq + 1}
}

// Memory is linear in the connections that are open, not in those that were.
func TestOverIsHandedOn(t *testing.T) {
	done := 0
	tr := NewTracker(1, func(c *Conn) { done++ })
	most := 0
	for i := range 20000 { // one a second, each refused
		at := time.Duration(i) * time.Second
		s := syn(i, at)
		tr.Segment(&s)
		r := answer(s, RST|ACK, at+time.Millisecond)
		tr.Segment(&r)
		most = max(most, tr.Open())
	}
	if limit := int(TwoMSL/time.Second) + 2; most > limit {
		t.Errorf("%d connections held at once, want at most %d", most, limit)
	}
	tr.Flush()
	if done != 20000 || tr.Connections != 20000 || tr.Open() != 0 {
		t.Errorf("%d handed on, %d counted, %d open", done, tr.Connections, tr.Open())
	}
}

func TestUnansweredAreHandedOn(t *testing.T) {
	var waited []uint64
	tr := NewTracker(1, func(c *Conn) { waited = append(waited, c.Number) })
	a := syn(1, 0)
	tr.Segment(&a)
	again := a
	again.Time = TwoMSL - time.Second // still trying: it stays
	tr.Segment(&again)
	late := syn(2, TwoMSL+time.Second)
	tr.Segment(&late)
	retry := late
	retry.Time += 10 * time.Second
	tr.Segment(&retry)
	if len(waited) != 0 {
		t.Fatalf("handed on while it still tries: %v", waited)
	}
	end := syn(3, 2*TwoMSL+2*time.Second)
	tr.Segment(&end)
	if !slices.Equal(waited, []uint64{1}) {
		t.Errorf("handed on: %v, want the first", waited)
	}
}

// TIME_WAIT ends after 2 MSL (RFC 9293 §3.10.8).
func TestTimeWaitEnds(t *testing.T) {
	var state State
	tr := NewTracker(1, func(c *Conn) {
		if c.Number == 1 {
			state = c.Ends[Initiator].State
		}
	})
	for _, s := range script(t, `
0 > S 0
1 < S. 0 ack 1
2 > . 1 ack 1
3 > F. 1 ack 1
4 < F. 1 ack 2
5 > . 2 ack 2`) {
		tr.Segment(&s)
	}
	other := syn(9, 6*time.Second+TwoMSL)
	tr.Segment(&other)
	if state != Closed {
		t.Errorf("after 2 MSL: %v", state)
	}
}

// At the limit those that are over give way first, then the longest silent.
func TestLimit(t *testing.T) {
	var evicted []uint64
	tr := NewTracker(1, func(c *Conn) {
		if c.Evicted {
			evicted = append(evicted, c.Number)
		}
	})
	tr.Limit = 64
	for i := range 64 {
		s := syn(i, time.Duration(i)*time.Millisecond)
		tr.Segment(&s)
	}
	r := answer(syn(40, 0), RST|ACK, time.Second) // number 41 is over
	tr.Segment(&r)
	for i := 64; i < 67; i++ {
		s := syn(i, 2*time.Second)
		tr.Segment(&s)
	}
	if tr.Open() != 64 {
		t.Errorf("%d held, the limit is 64", tr.Open())
	}
	if !slices.Equal(evicted, []uint64{1, 2}) || tr.Evicted != 2 {
		t.Errorf("given up: %v (%d), want 1 and 2: 41 was over", evicted, tr.Evicted)
	}
}

// At the limit a flood of SYNs costs no more than the connections that are held:
// what is remembered of those that were given up is dropped, too.
func TestFloodIsBounded(t *testing.T) {
	handed := 0
	tr := NewTracker(1, func(*Conn) { handed++ })
	tr.Limit = 4096
	standing := script(t, "0 > S 0\n0.001 < S. 0 ack 1\n0.002 > . 1 ack 1")
	for i := range standing {
		tr.Segment(&standing[i])
	}
	const flood = 100_000
	for i := range flood {
		at := 10*time.Millisecond + time.Duration(i)*time.Microsecond
		s := syn(i, at)
		tr.Segment(&s)
		if i%3 == 0 { // one in three is refused
			r := answer(s, RST|ACK, at)
			tr.Segment(&r)
		}
		if i%1000 == 0 { // one connection goes on
			more := standing[2]
			more.Time = at
			if step := tr.Segment(&more); step.Conn.Number != 1 {
				t.Fatalf("after %d SYNs the connection that speaks was given up", i)
			}
		}
		if tr.Open() > tr.Limit || len(tr.table.entries) > 4*tr.Limit {
			t.Fatalf("%d held, in a table for %d", tr.Open(), len(tr.table.entries))
		}
		if most := 3*tr.Limit + 2*queueChunk; tr.ended.length > most || tr.nascent.length > most || len(tr.victims) > tr.Limit {
			t.Fatalf("%d, %d and %d wait, of %d connections", tr.ended.length, tr.nascent.length, len(tr.victims), tr.Open())
		}
	}
	tr.Flush()
	if handed != flood+1 || tr.Evicted == 0 {
		t.Errorf("%d handed on, %d given up", handed, tr.Evicted)
	}
}

// One packet with a time far ahead, as damage makes it, ends no connection; two
// are believed.
func TestLeap(t *testing.T) {
	var done []uint64
	tr := NewTracker(1, func(c *Conn) { done = append(done, c.Number) })
	at := func(n int, at time.Duration) *Segment { s := syn(n, at); return &s }
	tr.Segment(at(1, time.Minute))
	tr.Segment(at(2, 1000*time.Hour))
	tr.Segment(at(3, time.Minute+time.Second))
	if len(done) != 0 {
		t.Fatalf("a leap of one packet ended %v", done)
	}
	tr.Segment(at(4, 1000*time.Hour+time.Second))
	if !slices.Equal(done, []uint64{1, 3}) {
		t.Errorf("when time has passed, %v are handed on: want 1 and 3", done)
	}
}

// Following several segments at once is following each.
func TestTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Segment {
			s := syn(rapid.IntRange(0, 5).Draw(t, "client"), time.Duration(rapid.IntRange(0, 400).Draw(t, "at"))*time.Second)
			s.Flags = rapid.SampledFrom([]uint16{SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK}).Draw(t, "flags")
			s.Seq, s.Ack = uint32(rapid.IntRange(0, 3).Draw(t, "seq")), uint32(rapid.IntRange(0, 3).Draw(t, "ack"))
			if rapid.Bool().Draw(t, "back") {
				s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
			}
			return s
		}), 0, 100).Draw(t, "segments")
		var one, all []string
		tell := func(to *[]string, step Step) {
			c := step.Conn
			*to = append(*to, fmt.Sprint(step.From, step.Sense, step.RST, step.New, step.Reused, step.Opened, step.Ended, *c))
		}
		first, second := NewTracker(1, nil), NewTracker(2, nil)
		for i := range segments {
			tell(&one, first.Segment(&segments[i]))
		}
		second.Segments(segments, func(_ *Segment, step Step) { tell(&all, step) })
		for i := range one {
			strip := func(s string) string { return regexp.MustCompile("0x[0-9a-f]+").ReplaceAllString(s, "") }
			if strip(one[i]) != strip(all[i]) {
				t.Fatalf("segment %d: %s; alone %s", i, all[i], one[i])
			}
		}
	})
}

// In its steady state the tracker allocates nothing.
func TestNoAllocation(t *testing.T) {
	tr := NewTracker(1, nil)
	segments := script(t, `
0 > S 0 wscale 7
1 < S. 0 ack 1 wscale 7
2 > . 1 ack 1
3 > P. 1:11 ack 1
4 < . 1 ack 11
5 > F. 11 ack 1
6 < R. 1 ack 12`)
	round := 0
	run := func() {
		for i := range segments {
			s := segments[i]
			s.Time += time.Duration(round) * 10 * time.Second
			s.Seq += uint32(round) * 100000
			s.Ack += uint32(round) * 100000
			tr.Segment(&s)
		}
		round++
	}
	for range 3000 {
		run()
	}
	if n := testing.AllocsPerRun(1000, run); n >= 0.1 {
		t.Errorf("%v allocations a connection", n)
	}
}

func TestICMPIsJoined(t *testing.T) {
	tr := NewTracker(1, nil)
	s := script(t, "0 > S 0")[0]
	c := tr.Segment(&s).Conn
	e := ICMPError{Time: time.Second, Sender: Addr4([]byte{192, 0, 2, 1}), Family: 4, Type: 3, Code: 1,
		Src: s.Src, Dst: s.Dst, SrcPort: s.SrcPort, DstPort: s.DstPort, Seq: s.Seq}
	if tr.ICMP(&e) != c {
		t.Fatal("not joined to its connection")
	}
	if got := c.Handshake(); got != ICMPAnswered {
		t.Errorf("handshake %v", got)
	}
	e.DstPort++
	if tr.ICMP(&e) != nil || tr.StrayICMP != 1 {
		t.Error("an error about another connection was joined, or not counted")
	}
	for range 2 * maxICMP {
		e.DstPort = s.DstPort
		tr.ICMP(&e)
	}
	if len(c.Detail.ICMP) != maxICMP || c.Detail.ICMPCount != 2*maxICMP+1 {
		t.Errorf("%d kept of %d", len(c.Detail.ICMP), c.Detail.ICMPCount)
	}
}

// What connections remember beyond the usual is bounded for all together, and is
// room for others when they are over.
func TestExtraIsBounded(t *testing.T) {
	tr := NewTracker(1, nil)
	a, b := syn(1, 0), syn(2, 0)
	tr.Segment(&a)
	tr.Segment(&b)
	tr.extra = mostExtra - 2
	for i := range 10 {
		again := a
		again.Time = time.Duration(i) * time.Second
		tr.Segment(&again)
	}
	c := tr.Segment(&a).Conn
	if n := len(c.Detail.SYNTimes); n != len(c.Detail.firstSYNs)+2 || c.Ends[Initiator].SYNs != 12 {
		t.Errorf("%d times kept of %d SYNs, with room for 2 more than its own", n, c.Ends[Initiator].SYNs)
	}
	e := ICMPError{Family: 4, Type: 3, Code: 1, Src: b.Src, Dst: b.Dst, SrcPort: b.SrcPort, DstPort: b.DstPort, Seq: b.Seq}
	if d := tr.ICMP(&e).Detail; len(d.ICMP) != 0 || d.ICMPCount != 1 {
		t.Errorf("%d errors kept, %d counted; there was no room", len(d.ICMP), d.ICMPCount)
	}
	tr.Flush()
	if tr.extra != mostExtra-2 {
		t.Errorf("%d remembered when all is over, want what was there before", tr.extra)
	}
}

// RFC 1122 §3.2.2: which errors tell of an end.
func TestHardICMP(t *testing.T) {
	for _, c := range []struct {
		family, typ, code uint8
		hard              bool
	}{{4, 3, 1, true}, {4, 3, 4, false}, {4, 5, 0, false}, {4, 4, 0, false}, {4, 11, 0, true}, {4, 12, 0, true}, {6, 1, 4, true}, {6, 2, 0, false}, {6, 3, 0, true}} {
		if e := (ICMPError{Family: c.family, Type: c.typ, Code: c.code}); e.Hard() != c.hard {
			t.Errorf("%+v: hard %v", c, !c.hard)
		}
	}
}

// The table finds what was put in and not removed, and nothing else, like a map.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(rapid.Uint64().Draw(t, "seed"))
		type pair struct{ a, b Endpoint }
		model := map[pair]uint32{}
		key := func(n int) pair {
			return pair{Endpoint{Addr{0, uint64(n % 5)}, uint16(n)}, Endpoint{Addr{uint64(n%3) + 1, 9}, 80}}
		}
		find := func(k pair) (uint32, *slot, int) {
			h := hashOf(k.a.Addr, k.b.Addr, k.a.Port, k.b.Port, table.seed) & 7 // many collide
			return table.find(k.a.Addr, k.b.Addr, k.a.Port, k.b.Port, h)
		}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			k := key(rapid.IntRange(0, 60).Draw(t, "key"))
			h := hashOf(k.b.Addr, k.a.Addr, k.b.Port, k.a.Port, table.seed) & 7 // both directions have the same
			n, s, side := find(k)
			known, in := model[k]
			if (s != nil) != in || in && n != known {
				t.Fatalf("found %v as %d, want %v as %d", s != nil, n, in, known)
			}
			switch {
			case !in:
				n, s := table.add(h)
				s.conn.Ends[0].Endpoint, s.conn.Ends[1].Endpoint = k.a, k.b
				model[k] = n
			case side != Initiator:
				t.Fatalf("the first end is %d", side)
			case rapid.Bool().Draw(t, "remove"):
				table.remove(n)
				delete(model, k)
			}
		}
		if table.live != len(model) {
			t.Fatalf("%d live, want %d", table.live, len(model))
		}
		for k, n := range model {
			if got, s, _ := find(k); s == nil || got != n {
				t.Fatalf("%v was lost", k)
			}
			if got, s, side := find(pair{k.b, k.a}); s == nil || got != n || side != Responder {
				t.Fatalf("%v was lost in the other direction", k)
			}
		}
	})
}

func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		pushed, popped := uint32(0), uint32(0)
		for range rapid.IntRange(1, 20).Draw(t, "bursts") {
			for range rapid.IntRange(0, 3000).Draw(t, "in") {
				q.push(entry{slot: pushed, at: time.Duration(pushed)})
				pushed++
			}
			for n := rapid.IntRange(0, 3000).Draw(t, "out"); n > 0 && q.due(1<<40); n-- {
				if e := q.pop(); e.slot != popped {
					t.Fatalf("%d came, want %d", e.slot, popped)
				}
				popped++
			}
			if q.length != int(pushed-popped) || q.length > 0 && q.first(1<<40) != time.Duration(popped) || q.length == 0 && q.first(7) != 7 {
				t.Fatalf("%d wait, the first until %v; want %d from %d", q.length, q.first(7), pushed-popped, popped)
			}
		}
		for ; q.due(1 << 40); popped++ {
			q.pop()
		}
		if popped != pushed {
			t.Fatalf("%d of %d came", popped, pushed)
		}
	})
}

func TestAddr(t *testing.T) {
	for _, b := range [][]byte{{192, 0, 2, 1}, append(make([]byte, 15), 1), {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}} {
		read := Addr6
		if len(b) == 4 {
			read = Addr4
		}
		a := read(b)
		if AddrFrom(a.Netip()) != a || a.Is4() != (len(b) == 4) {
			t.Errorf("% x: %v, is4 %v", b, a.Netip(), a.Is4())
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
		want    SYNOptions
	}{
		{"all", []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}, SYNOptions{MSS: 1460, HasMSS: true, SACK: true, Timestamps: true, Scale: 7, HasScale: true}},
		{"end of list", []byte{0, 2, 4, 5, 0xb4}, SYNOptions{}},
		{"wrong lengths are no options", []byte{2, 3, 5, 3, 4, 7, 7, 4, 3, 0, 8, 9, 0, 0, 0, 1, 0, 0, 0}, SYNOptions{}},
		{"length 0", []byte{3, 0, 7}, SYNOptions{}},
		{"beyond the end", []byte{2, 40, 1}, SYNOptions{}},
		{"Fast Open", []byte{34, 2}, SYNOptions{FastOpen: true}},
		{"Fast Open before its number", []byte{254, 4, 0xf9, 0x89}, SYNOptions{FastOpenX: true}},
		{"another experiment", []byte{254, 4, 0xe2, 0xd4}, SYNOptions{}},
		{"MPTCP", []byte{30, 4, 1, 0}, SYNOptions{Multipath: true}},
	} {
		if got := ReadOptions(&Segment{Flags: SYN, Options: c.options}); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	// RFC 3168 §6.1.1: a SYN has both bits, its answer ECE alone.
	for flags, want := range map[uint16]bool{SYN | ECE | CWR: true, SYN | ECE: false, SYN | ACK | ECE: true, SYN | ACK | ECE | CWR: false, SYN: false} {
		if got := ReadOptions(&Segment{Flags: flags}).ECN; got != want {
			t.Errorf("flags %#x: ECN %v", flags, got)
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add([]byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7})
	f.Add([]byte{3, 0})
	f.Fuzz(func(t *testing.T, b []byte) { ReadOptions(&Segment{Flags: SYN, Options: b}) })
}

// FuzzTracker feeds segments of a few flows with any numbers and flags: no
// panic, every packet counted once, every connection handed on once.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, synByte, 0, 0, 1, synByte | 16, 0, 1, 0, 16, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		packets, want := 0, 0
		seen := map[uint64]bool{}
		tr := NewTracker(3, func(c *Conn) {
			if seen[c.Number] {
				t.Fatal("handed on twice")
			}
			seen[c.Number] = true
			packets += int(c.Ends[0].Packets + c.Ends[1].Packets)
			if c.Handshake().String() == "" || c.Ending().String() == "" {
				t.Fatal("a class without a name")
			}
			for i := range c.Ends {
				if c.Ends[i].State >= nStates {
					t.Fatal("no such state")
				}
			}
		})
		tr.Limit = 64
		at := time.Duration(0)
		for ; len(b) >= 4; b = b[4:] {
			want++
			at += time.Duration(b[3]) * time.Second
			s := Segment{Time: at, Src: client.Addr, Dst: server.Addr, SrcPort: uint16(b[0] >> 1), DstPort: 80,
				Flags: uint16(b[1]), Seq: uint32(b[2]), Ack: uint32(b[3]), Len: uint32(b[2] & 3), TTL: b[3]}
			if b[0]&1 != 0 {
				s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
			}
			if b[2]&64 != 0 {
				s.Seq = binary.BigEndian.Uint32(b)
			}
			tr.Segment(&s)
		}
		tr.Flush()
		if packets != want || len(seen) != int(tr.Connections) {
			t.Fatalf("%d packets of %d, %d connections of %d", packets, want, len(seen), tr.Connections)
		}
	})
}

const synByte = byte(SYN)
