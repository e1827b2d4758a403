//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// A brief session says everything once: the error of a socket that is closed
// stands in its last change of state, and nothing of listeners.
func TestBrief(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	full := open(t, Options{Network: p.inA})
	s := open(t, Options{Network: p.inA, Brief: true})
	l, err := p.a.Listen("tcp", "127.0.0.1:7009")
	must(t, err)
	must(t, l.Close())
	if err := connect(t, p.a, p.toBNothing); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	await(t, full, "LISTEN", func(e *Event) bool { return e.Kind == StateChange && e.New == Listen })
	await(t, full, "its end", func(e *Event) bool { return e.Kind == StateChange && e.Old == Listen })
	await(t, full, "the error", func(e *Event) bool { return e.Kind == ErrorReport && syscall.Errno(e.Errno) == syscall.ECONNREFUSED })
	closed := 0
	for _, e := range drain(t, s) {
		switch {
		case e.Kind == StateChange && (e.New == Listen || e.Old == Listen):
			t.Errorf("a listener: %+v", e)
		case e.Kind == ErrorReport:
			t.Errorf("said twice: %+v", e)
		case e.Kind == StateChange && e.New == Close && e.Remote == p.toBNothing:
			closed++
			if syscall.Errno(e.Errno) != syscall.ECONNREFUSED || e.Old != SynSent || e.Local.Port() == 0 {
				t.Errorf("the last change: %+v", e)
			}
		}
	}
	if closed != 1 {
		t.Errorf("%d ends", closed)
	}
}

// The error that a socket's own RST leaves behind (tcp_disconnect) is nobody's.
func TestBriefOwnReset(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.listen(t, p.toB.String())
	full := open(t, Options{Network: p.inA})
	s := open(t, Options{Network: p.inA, Brief: true})
	c, err := p.a.DialContext(t.Context(), "tcp", p.toB.String())
	must(t, err)
	must(t, c.(*net.TCPConn).SetLinger(0))
	must(t, c.Close())
	sent := await(t, full, "reset sent", func(e *Event) bool { return e.Kind == ResetSent && e.HasSocket })
	if sent.Old != Close || sent.Remote != p.toB {
		t.Errorf("%+v", sent)
	}
	resets := 0
	for _, e := range drain(t, s) {
		if e.Kind == ErrorReport {
			t.Errorf("%+v", e)
		}
		if e.Kind == ResetSent {
			resets++
		}
	}
	if resets != 1 {
		t.Errorf("%d resets", resets)
	}
}

// An error of a connection that stands is told, brief or not.
func TestBriefTellsErrors(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Network: p.inA, Brief: true, Kinds: []Kind{StateChange, ErrorReport}})
	must(t, p.a.Do(func() error {
		c, err := net.Dial("udp", p.toBNothing.String()) // its error comes by ICMP
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte{1}); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		_, err = c.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the read: %v", err)
		}
		return nil
	}))
	e := await(t, s, "the error", func(e *Event) bool { return e.Kind == ErrorReport })
	if syscall.Errno(e.Errno) != syscall.ECONNREFUSED || e.Protocol != syscall.IPPROTO_UDP || e.Remote != p.toBNothing || e.Local.Port() == 0 {
		t.Errorf("%+v", e)
	}
}

// Drops for a reason that is not wanted stay in the kernel, the others come.
func TestQuiet(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	_, err := p.a.Firewall(netns.Rule{Hook: netns.Output, Match: netns.Match{Protocol: netns.TCP, Dport: p.toB.Port()}, Verdict: netns.Drop()})
	must(t, err)
	loud := open(t, Options{Network: p.inA, Kinds: []Kind{Drop}, Quiet: []string{"NO_SOCKET", "no such reason"}})
	quiet := open(t, Options{Network: p.inA, Kinds: []Kind{Drop}, Quiet: []string{"NETFILTER_DROP"}})
	_ = connect(t, p.a, p.toB)
	e := await(t, loud, "the drop", func(e *Event) bool { return e.Reason == "NETFILTER_DROP" })
	if !e.HasPacket || e.Remote != p.toB {
		t.Errorf("%+v", e)
	}
	if i := slices.IndexFunc(drain(t, quiet), func(e Event) bool { return e.Reason == "NETFILTER_DROP" }); i >= 0 {
		t.Error("a drop that is not wanted came")
	}
}

func TestMask(t *testing.T) {
	n := names{0: "A", 2: "B", 63: "C", 64: "D", 255: "E", 256: "F", 70000: "G"}
	if got, want := n.mask([]string{"B", "C", "D", "E", "F", "G", "none"}), [4]uint64{1<<2 | 1<<63, 1, 0, 1 << 63}; got != want {
		t.Errorf("%x, want %x", got, want)
	}
	if got := n.mask(nil); got != [4]uint64{} {
		t.Errorf("nothing: %x", got)
	}
}

// A patient reader gets everything by its deadline, though it is not woken for
// each, and at once where a quarter of the ring is full.
func TestPatience(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	s := open(t, Options{Network: p.inA, Kinds: []Kind{StateChange}, Patience: time.Hour, Buffer: 1 << 14})
	const calls = 5
	for range calls {
		_ = connect(t, p.a, p.toBNothing)
	}
	changes := 0
	for range drain(t, s) {
		changes++
	}
	if changes != 2*calls { // SYN_SENT, CLOSE
		t.Errorf("%d changes, want %d", changes, 2*calls)
	}
	// The quarter: 4 kB, some 30 records. Without it nobody would wake this.
	woken := make(chan error, 1)
	s.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		var e Event
		woken <- s.Read(&e)
	}()
	for range 40 {
		_ = connect(t, p.a, p.toBNothing)
	}
	if err := <-woken; err != nil {
		t.Errorf("the reader was left asleep: %v", err)
	}
	if lost, err := s.Lost(); err != nil || lost > 0 {
		t.Errorf("lost %d, %v", lost, err)
	}
}

// Where the verifier takes no typed loads, the programs do without.
func TestWithoutTypedLoads(t *testing.T) {
	testmain.Need(t, "bpf")
	for _, typed := range []uint32{0, 1} {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		must(t, err)
		for name, value := range map[string]any{"typed": typed, "make_cookie": uint32(1), "brief": uint32(1), "drop_has_socket": uint32(1), "reset_has_reason": uint32(1), "has_print": uint32(1)} {
			must(t, set(spec, name, value))
		}
		coll, err := ebpf.NewCollection(spec)
		if err != nil {
			t.Errorf("typed loads %d: %v", typed, err)
			continue
		}
		coll.Close()
	}
}

// A record of either length is read, a shorter one refused.
func TestDecodeLengths(t *testing.T) {
	s := &Session{drops: names{}, resets: names{}}
	var e Event
	head, whole := record(StateChange, hasSocket), record(Drop, hasSocket|hasPacket)
	for _, c := range []struct {
		b    []byte
		want bool
	}{{head[:headSize], true}, {head, true}, {head[:headSize-1], false}, {nil, false}, {whole, true}, {whole[:recordSize-1], false}, {whole[:headSize], false}} {
		if got := s.decode(c.b, &e); got != c.want {
			t.Errorf("%d bytes: %v", len(c.b), got)
		}
	}
}

func TestCommandIs(t *testing.T) {
	e := Event{comm: [16]byte{'c', 'u', 'r', 'l'}}
	if !e.CommandIs("curl") || e.CommandIs("cur") || e.CommandIs("curly") || e.CommandIs("") || !new(Event).CommandIs("") {
		t.Error("comparing is not what Command says")
	}
	name := "curl"
	if n := testing.AllocsPerRun(100, func() { e.CommandIs(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
