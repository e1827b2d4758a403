//go:build amd64 || arm64

package feed

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/bpf"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

var (
	begun  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	local  = netip.MustParseAddrPort("192.0.2.1:40000")
	remote = netip.MustParseAddrPort("192.0.2.2:80")
)

// Every kind of the kernel's events that is listened to has one here.
func TestKinds(t *testing.T) {
	k := &kernel{owners: newOwners(), symbols: map[uint64]string{}}
	for from, want := range map[bpf.Kind]watch.Kind{
		bpf.StateChange: watch.Changed, bpf.Drop: watch.Dropped, bpf.Retransmit: watch.Resent, bpf.ResetSent: watch.ResetSent, bpf.ResetReceived: watch.ResetReceived,
		bpf.ErrorReport: watch.Failed, bpf.ConnectFailed: watch.ConnectFailed, bpf.SocketFailed: watch.SocketFailed,
	} {
		var to watch.Event
		if !k.event(&bpf.Event{Kind: from, Protocol: syscall.IPPROTO_TCP}, &to) || to.Kind != want {
			t.Errorf("%v: %v, want %v", from, to.Kind, want)
		}
	}
}

func TestStates(t *testing.T) {
	for from, want := range map[bpf.State]sockets.State{
		bpf.Established: sockets.Established, bpf.SynSent: sockets.SYNSent, bpf.SynRecv: sockets.SYNReceived, bpf.FinWait1: sockets.FINWait1, bpf.FinWait2: sockets.FINWait2,
		bpf.TimeWait: sockets.TimeWait, bpf.Close: sockets.Closed, bpf.CloseWait: sockets.CloseWait, bpf.LastAck: sockets.LastACK, bpf.Listen: sockets.Listen,
		bpf.Closing: sockets.Closing, bpf.NewSynRecv: sockets.SYNReceived, 0: sockets.UnknownState, 99: sockets.UnknownState,
	} {
		if got := stateOf(from); got != want {
			t.Errorf("%v: %v, want %v", from, got, want)
		}
	}
}

// Nothing of one event is left in the next.
func TestTranslation(t *testing.T) {
	k := &kernel{owners: newOwners(), symbols: map[uint64]string{7: "nft_do_chain"}}
	var to watch.Event
	drop := bpf.Event{
		Kind: bpf.Drop, Time: begun, Cookie: 3, Network: 5, Local: local, Remote: remote, Protocol: syscall.IPPROTO_UDP, HasSocket: true, Reason: "NETFILTER_DROP", Location: 7,
		HasPacket: true, Packet: bpf.Packet{Arrived: true, Length: 60, Flags: 0x12, Quoted: true, ICMPType: 3, ICMPCode: 1},
	}
	if !k.event(&drop, &to) {
		t.Fatal("a drop is not told")
	}
	if to.At != begun || to.Cookie != 3 || to.Network != 5 || !to.UDP || to.Local != local || to.Remote != remote || to.Reason != "NETFILTER_DROP" || to.Where != "nft_do_chain" || to.HasFlow {
		t.Errorf("%+v", to)
	}
	if want := (watch.Packet{Seen: true, Arrived: true, Length: 60, Flags: 0x12, ICMP: true, ICMPType: 3, ICMPCode: 1}); to.Packet != want {
		t.Errorf("%+v, want %+v", to.Packet, want)
	}
	change := bpf.Event{
		Kind: bpf.StateChange, Time: begun, Protocol: syscall.IPPROTO_TCP, Old: bpf.SynSent, New: bpf.Close, Errno: uint16(syscall.ECONNREFUSED),
		RTT: time.Millisecond, Retransmissions: 2, Acked: 3, Received: 4,
	}
	if !k.event(&change, &to) {
		t.Fatal("a change is not told")
	}
	if want := (watch.Event{Kind: watch.Changed, At: begun, Old: sockets.SYNSent, New: sockets.Closed, Errno: "ECONNREFUSED", HasFlow: true,
		Flow: watch.Flow{RTT: time.Millisecond, Resent: 2, Acked: 3, Received: 4}}); to != want {
		t.Errorf("%+v\nwant %+v", to, want)
	}
	for _, other := range []bpf.Event{{Kind: bpf.StateChange, Protocol: 132}, {Kind: bpf.Drop, Protocol: syscall.IPPROTO_ICMP}} {
		if k.event(&other, &to) {
			t.Errorf("protocol %d is told", other.Protocol)
		}
	}
	if !k.event(&bpf.Event{Kind: bpf.SocketFailed, Protocol: 253, Errno: uint16(syscall.EMFILE)}, &to) || to.Errno != "EMFILE" {
		t.Errorf("a socket of any protocol: %+v", to)
	}
}

// For a process that is known nothing is read and nothing made.
func TestProcessIsRemembered(t *testing.T) {
	o := newOwners()
	o.processes[1] = watch.Process{PID: 1, Name: "", Container: "c"}
	e := &bpf.Event{PID: 1, UID: 7}
	if p := o.process(e); p.UID != 7 || p.Container != "c" {
		t.Errorf("%+v", p)
	}
	if n := testing.AllocsPerRun(100, func() { o.process(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for pid := range uint32(mostProcesses + 10) {
		o.process(&bpf.Event{PID: 1<<30 + pid})
	}
	if n := len(o.processes); n > mostProcesses {
		t.Errorf("%d processes are remembered", n)
	}
}

// BenchmarkEvent is what each event costs before a story is looked for.
func BenchmarkEvent(b *testing.B) {
	k := &kernel{owners: newOwners(), symbols: map[uint64]string{}}
	k.owners.processes[1] = watch.Process{PID: 1}
	from := &bpf.Event{Kind: bpf.StateChange, Time: begun, Protocol: syscall.IPPROTO_TCP, Old: bpf.SynSent, New: bpf.Established, Local: local, Remote: remote, PID: 1}
	var to watch.Event
	b.ReportAllocs()
	for b.Loop() {
		k.event(from, &to)
	}
}

func TestOwners(t *testing.T) {
	o := newOwners()
	table := &sockets.Table{
		At:        begun,
		Processes: []sockets.Process{{PID: 10, Name: "server", Container: "c"}, {PID: 20, Name: "client"}},
		Sockets: []sockets.Socket{
			{Network: "tcp", State: sockets.Listen, Local: netip.MustParseAddrPort("0.0.0.0:80"), Cookie: 1, Holders: []int32{0}, UID: 3},
			{Network: "tcp", State: sockets.Listen, Local: netip.MustParseAddrPort("0.0.0.0:81"), Cookie: 2, UID: 4},
			{Network: "tcp", State: sockets.Established, Local: local, Remote: remote, Cookie: 3, Holders: []int32{1, 0}, Info: &sockets.Info{RTT: 5, Retransmitted: 6, BytesAcked: 7, BytesRecv: 8}},
			{Network: "tcp", State: sockets.Established, Local: netip.MustParseAddrPort("192.0.2.1:80"), Remote: netip.MustParseAddrPort("192.0.2.9:5"), Cookie: 4},
			{Network: "tcp", State: sockets.TimeWait, Local: local, Remote: remote, Cookie: 5},
			{Network: "udp", State: sockets.Established, Local: local, Remote: remote, Cookie: 6},
			{Network: "tcp", State: sockets.Closed, Local: local, Cookie: 7},
		},
	}
	o.learn(table)
	for _, c := range []struct {
		e     watch.Event
		pid   int
		known bool
	}{
		{watch.Event{Cookie: 3}, 20, true},
		{watch.Event{Cookie: 99, Local: netip.MustParseAddrPort("10.0.0.1:80")}, 10, true},
		{watch.Event{Cookie: 99, Local: netip.MustParseAddrPort("10.0.0.1:81")}, 0, false}, // another user's
		{watch.Event{Cookie: 99, Local: netip.MustParseAddrPort("10.0.0.1:82")}, 0, false},
	} {
		if p, known := o.of(&c.e); p.PID != c.pid || known != c.known {
			t.Errorf("%+v: %+v, %v", c.e, p, known)
		}
	}
	var stand []uint64
	for i := range table.Sockets {
		e, is := o.standing(table, &table.Sockets[i])
		if !is {
			continue
		}
		stand = append(stand, e.Cookie)
		switch e.Cookie {
		case 3:
			if e.In || e.Process.PID != 20 || !e.HasFlow || e.Flow != (watch.Flow{RTT: 5, Resent: 6, Acked: 7, Received: 8}) || e.At != begun {
				t.Errorf("%+v", e)
			}
		case 4:
			if !e.In || e.HasFlow {
				t.Errorf("what a listener accepted: %+v", e)
			}
		}
	}
	if len(stand) != 2 {
		t.Errorf("%v stand", stand)
	}
}

// played is what a table tells when it is looked at again and again.
func played(t *table, looks ...*sockets.Table) (told []watch.Event) {
	for _, read := range looks {
		t.looks++
		t.owners.learn(read)
		for i := range read.Sockets {
			t.compare(read, &read.Sockets[i], func(e *watch.Event) { told = append(told, *e) })
		}
		t.first = false
	}
	return told
}

func connection(state sockets.State, change ...func(*sockets.Socket)) *sockets.Table {
	s := sockets.Socket{Network: "tcp", State: state, Local: local, Remote: remote, Cookie: 3, Inode: 4, Cgroup: 5}
	for _, f := range change {
		f(&s)
	}
	return &sockets.Table{At: begun, Sockets: []sockets.Socket{s}}
}

func TestCompare(t *testing.T) {
	type step struct {
		kind     watch.Kind
		old, now sockets.State
	}
	none := &sockets.Table{At: begun}
	resent := func(n uint32) func(*sockets.Socket) {
		return func(s *sockets.Socket) { s.Info = &sockets.Info{Retransmitted: n} }
	}
	for _, c := range []struct {
		name  string
		o     Options
		looks []*sockets.Table
		want  []step
	}{
		{"stood before", Options{}, []*sockets.Table{connection(sockets.Established), connection(sockets.Established)}, []step{{watch.Stands, 0, sockets.Established}}},
		{"an attempt", Options{}, []*sockets.Table{none, connection(sockets.SYNSent)}, []step{{watch.Changed, sockets.Closed, sockets.SYNSent}}},
		{"opened between two looks", Options{}, []*sockets.Table{none, connection(sockets.Established)},
			[]step{{watch.Changed, sockets.Closed, sockets.SYNSent}, {watch.Changed, sockets.SYNSent, sockets.Established}}},
		{"closed by the peer between two looks", Options{}, []*sockets.Table{none, connection(sockets.CloseWait)},
			[]step{{watch.Changed, sockets.Closed, sockets.SYNSent}, {watch.Changed, sockets.SYNSent, sockets.Established}, {watch.Changed, sockets.Established, sockets.CloseWait}}},
		{"a change", Options{}, []*sockets.Table{connection(sockets.SYNSent), connection(sockets.Established)},
			[]step{{watch.Stands, 0, sockets.SYNSent}, {watch.Changed, sockets.SYNSent, sockets.Established}}},
		{"sent again", Options{}, []*sockets.Table{connection(sockets.SYNSent, resent(1)), connection(sockets.SYNSent, resent(3))},
			[]step{{watch.Stands, 0, sockets.SYNSent}, {watch.Resent, 0, sockets.SYNSent}, {watch.Resent, 0, sockets.SYNSent}}},
		{"its cgroup", Options{Cgroup: 5}, []*sockets.Table{connection(sockets.Established)}, []step{{watch.Stands, 0, sockets.Established}}},
		{"another cgroup", Options{Cgroup: 6}, []*sockets.Table{connection(sockets.Established)}, nil},
		{"nobody's child", Options{Tree: true}, []*sockets.Table{none, connection(sockets.Established)}, nil},
		{"a listener", Options{}, []*sockets.Table{none, connection(sockets.Listen)}, nil},
		{"TIME_WAIT", Options{}, []*sockets.Table{none, connection(sockets.TimeWait)}, nil},
	} {
		src := &table{o: c.o, owners: newOwners(), known: map[uint64]*seen{}, first: true}
		var got []step
		for _, e := range played(src, c.looks...) {
			if e.Kind != watch.Changed {
				e.Old = 0
			}
			got = append(got, step{e.Kind, e.Old, e.New})
			if !e.Looked || e.Cookie != 3 || e.Local != local || e.Remote != remote {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: event %d is %v, want %v", c.name, i, got[i], c.want[i])
			}
		}
	}
}

// What a listener accepts begins with the peer's SYN.
func TestCompareAccepted(t *testing.T) {
	src := &table{owners: newOwners(), known: map[uint64]*seen{}, first: true}
	listener := sockets.Socket{Network: "tcp", State: sockets.Listen, Local: netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port()), Cookie: 1}
	now := connection(sockets.Established)
	now.Sockets = append(now.Sockets, listener)
	told := played(src, &sockets.Table{At: begun, Sockets: []sockets.Socket{listener}}, now)
	if len(told) != 1 || told[0].Kind != watch.Changed || told[0].Old != sockets.SYNReceived || !told[0].In {
		t.Errorf("%+v", told)
	}
}

func TestDue(t *testing.T) {
	var next time.Time
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Millisecond, false}, {49 * time.Millisecond, false}, {50 * time.Millisecond, true}, {60 * time.Millisecond, false}, {time.Hour, true}} {
		if got := due(&next, begun.Add(c.after), portPause); got != c.want {
			t.Errorf("question %d, after %v: %v", i, c.after, got)
		}
	}
}

// Nothing is asked about what another network, a UDP socket or an attempt that
// sent packets met.
func TestLookLeavesOut(t *testing.T) {
	for name, s := range map[string]watch.Story{
		"packets went":    {Errno: "ENETUNREACH", Remote: remote},
		"UDP":             {Sync: true, UDP: true, Errno: "ENETUNREACH", Remote: remote},
		"nowhere":         {Sync: true, Errno: "ENETUNREACH"},
		"another network": {Sync: true, Errno: "ENETUNREACH", Remote: remote, Network: 9},
		"another errno":   {Sync: true, Errno: "EPERM", Remote: remote, Network: 8},
		"no port":         {Sync: true, Errno: "EADDRNOTAVAIL", Remote: netip.AddrPortFrom(remote.Addr(), 0), Network: 8},
	} {
		x := &examiner{network: 8}
		if x.Look(&s); len(s.Facts) != 0 || !x.nextIP.IsZero() || !x.nextPort.IsZero() {
			t.Errorf("%s: %v", name, s.Facts)
		}
	}
	s := watch.Story{Sync: true, Errno: "ENETUNREACH", Remote: netip.MustParseAddrPort("127.0.0.1:80"), Network: 8, Began: begun, Ended: begun.Add(-time.Second)}
	x := &examiner{network: 8}
	for range 3 {
		x.Look(&s) // of three at one moment one is answered
	}
	if len(s.Facts) != 1 || s.Facts[0].At != 0 {
		t.Fatalf("%v", s.Facts)
	}
	if r, is := s.Facts[0].Fact.(*evidence.Route); !is || r.Errno != "" {
		t.Errorf("%+v", s.Facts[0].Fact)
	}
}
