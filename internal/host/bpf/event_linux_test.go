//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// The record is laid out as C has it.
func TestRecord(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	must(t, err)
	var record *btf.Struct
	must(t, spec.Types.TypeByName("event", &record))
	if record.Size != recordSize {
		t.Errorf("%d bytes, want %d", record.Size, recordSize)
	}
	at := map[string]int{}
	for _, m := range record.Members {
		at[m.Name] = int(m.Offset.Bytes())
	}
	delete(at, "pad")
	delete(at, "pad2")
	if at["saddr"] != headSize {
		t.Errorf("the first part has %d bytes, want %d", at["saddr"], headSize)
	}
	if diff := cmp.Diff(map[string]int{
		"time": atTime, "cookie": atCookie, "location": atLocation, "cgroup": atCgroup, "acked": atAcked,
		"received": atReceived, "laddr": atLocal, "raddr": atRemote, "saddr": atSrc, "daddr": atDst, "comm": atComm, "function": atFunction,
		"netns": atNetwork, "pid": atPID, "uid": atUID, "reason": atReason, "err": atErr, "ifindex": atIndex,
		"seq": atSeq, "ack": atAck, "srtt": atSRTT, "retrans": atRetrans, "length": atLength, "lport": atLPort,
		"rport": atRPort, "sport": atSPort, "dport": atDPort, "kind": atKind, "protocol": atProtocol,
		"flags": atFlags, "oldstate": atOld, "newstate": atNew, "tcpflags": atTCPFlags, "ttl": atTTL,
		"icmptype": atICMPType, "icmpcode": atICMPCode,
	}, at); diff != "" {
		t.Errorf("(-decoded +compiled)\n%s", diff)
	}
}

// Every program of the object is in the table, and the other way round.
func TestPrograms(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	must(t, err)
	given := map[Kind]bool{}
	for _, p := range programs {
		_, event, _ := strings.Cut(p.tracepoint, ":")
		if compiled := spec.Programs[p.name]; compiled == nil || compiled.AttachTo != event {
			t.Errorf("%s: the object has %+v", p.name, compiled)
		}
		delete(spec.Programs, p.name)
		for _, k := range p.kinds {
			given[k] = true
		}
	}
	delete(spec.Programs, twin)
	if len(spec.Programs) != 0 {
		t.Errorf("not in the table: %v", spec.Programs)
	}
	for k := StateChange; k < kinds; k++ {
		if !given[k] {
			t.Errorf("no program gives %v", k)
		}
	}
}

func record(kind Kind, flags byte) []byte {
	b := make([]byte, recordSize)
	b[atKind], b[atFlags], b[atProtocol] = byte(kind), flags, 6
	mapped := func(at int, a string) {
		m := netip.MustParseAddr(a).As16()
		copy(b[at:], m[:])
	}
	mapped(atLocal, "192.0.2.1")
	mapped(atRemote, "192.0.2.2")
	mapped(atSrc, "2001:db8::1")
	mapped(atDst, "2001:db8::2")
	le := binary.LittleEndian
	le.PutUint16(b[atLPort:], 1)
	le.PutUint16(b[atRPort:], 2)
	le.PutUint16(b[atSPort:], 3)
	le.PutUint16(b[atDPort:], 4)
	le.PutUint64(b[atTime:], uint64(3*time.Second))
	le.PutUint32(b[atReason:], 12)
	return b
}

func TestDecode(t *testing.T) {
	base := time.Now()
	s := &Session{base: base, baseClock: time.Second, drops: names{12: "NETFILTER_DROP"}, resets: names{12: "X"}, resetReasons: true}
	socketLocal, socketRemote := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")
	src, dst := netip.MustParseAddrPort("[2001:db8::1]:3"), netip.MustParseAddrPort("[2001:db8::2]:4")
	for _, c := range []struct {
		kind          Kind
		flags         byte
		reason        string
		local, remote netip.AddrPort
	}{
		{StateChange, hasSocket, "", socketLocal, socketRemote},
		{Drop, hasSocket | hasPacket, "NETFILTER_DROP", socketLocal, socketRemote},
		{Drop, hasPacket, "NETFILTER_DROP", src, dst},
		{Drop, hasPacket | arrived, "NETFILTER_DROP", dst, src},
		{Drop, hasPacket | arrived | quoted, "NETFILTER_DROP", src, dst},
		{Drop, hasPacket | quoted, "NETFILTER_DROP", dst, src},
		{ResetSent, hasPacket | arrived, "X", dst, src},
	} {
		var e Event
		s.decode(record(c.kind, c.flags), &e)
		if e.Kind != c.kind || e.Reason != c.reason || e.Local != c.local || e.Remote != c.remote || !e.Time.Equal(base.Add(2*time.Second)) {
			t.Errorf("%v, flags %b: %+v", c.kind, c.flags, e)
		}
		if e.HasPacket && (e.Packet.Src != src || e.Packet.Dst != dst) {
			t.Errorf("the packet: %+v", e.Packet)
		}
	}
	b := record(Drop, hasSocket|hasPacket|arrived)
	b[atRPort] = 0
	var e Event
	if s.decode(b, &e); e.Local != dst || e.Remote != src {
		t.Errorf("met a listener: %+v", e)
	}
	copy(b[atFunction:], "nft_do_chain [nf_tables]")
	copy(b[atComm:], "a-name-of-16-byt")
	if s.decode(b, &e); e.Function() != "nft_do_chain" || e.Command() != "a-name-of-16-byt" {
		t.Errorf("function %q, command %q", e.Function(), e.Command())
	}
	if n := testing.AllocsPerRun(100, func() { s.decode(b, &e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReasonNames(t *testing.T) {
	n := names{2: "NOT_SPECIFIED"}
	for reason, want := range map[uint32]string{2: "NOT_SPECIFIED", 77: "77", 3<<16 | 5: "SUBSYSTEM_3_5"} {
		for range 2 {
			if got := n.of(reason); got != want {
				t.Errorf("%d is called %q, want %q", reason, got, want)
			}
		}
	}
}

func TestKindAndStateNames(t *testing.T) {
	for k := Kind(0); k < kinds; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for s := Established; s < states; s++ {
		if s.String() == "" {
			t.Errorf("state %d has no name", s)
		}
	}
	if got := Kind(99).String() + State(99).String(); got != "kind 99state 99" {
		t.Error(got)
	}
}

const kallsyms = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000200 t nf_hook_slow
ffffffff81000100 T ip_rcv
ffffffff81000180 d not_code
ffffffffc0000000 t nft_do_chain	[nf_tables]
not a line
`

func TestSymbols(t *testing.T) {
	table := readSymbols(strings.NewReader(kallsyms))
	for address, want := range map[uint64]string{
		0xffffffff80ffffff: "", 0xffffffff81000000: "_stext", 0xffffffff810001ff: "ip_rcv",
		0xffffffff81000200: "nf_hook_slow", 0xffffffffc0000010: "nft_do_chain",
	} {
		if got := lookUp(table, address); got != want {
			t.Errorf("%#x is %q, want %q", address, got, want)
		}
	}
	hidden := readSymbols(strings.NewReader("0000000000000000 T _stext\n0000000000000000 T ip_rcv\n"))
	if got := lookUp(hidden, 0xffffffff81000000); got != "" {
		t.Errorf("kptr_restrict: %q", got)
	}
}

func TestObstacle(t *testing.T) {
	const all, first = "CapEff:\t000001ffffffffff\n", "         0          0 4294967295\n"
	for _, c := range []struct{ status, uids, lockdown, want string }{
		{"CapEff:\t0000000000000000\n", first, "", "CAP_BPF and CAP_PERFMON are missing"},
		{"CapEff:\t0000004000000000\n", first, "", "CAP_BPF is missing"},
		{"CapEff:\t0000008000000000\n", first, "", "CAP_PERFMON is missing"},
		{all, "         0       1000          1\n", "", "user namespace"},
		{all, first, "none integrity [confidentiality]\n", "locked down"},
		{all, first, "[none] integrity confidentiality\n", "seccomp"},
		{"", "", "", "seccomp"},
	} {
		if got := obstacle(c.status, c.uids, c.lockdown); !strings.Contains(got, c.want) {
			t.Errorf("%q %q %q: %q lacks %q", c.status, c.uids, c.lockdown, got, c.want)
		}
	}
}
