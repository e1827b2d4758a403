package capture

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/wire"
)

var (
	local4, remote4 = netip.AddrPortFrom(here4, 40000), netip.AddrPortFrom(there4, 443)
	local6, remote6 = netip.AddrPortFrom(here6, 40000), netip.AddrPortFrom(there6, 443)
)

func frameOfPacket(t *testing.T, d Direction, ip wire.IP, what wire.Transport) *Frame {
	t.Helper()
	b, err := (&wire.Packet{IP: ip, Transport: what}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return &Frame{Direction: d, Interface: 2, Ethertype: ethertypeIPv4, Hardware: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Data: b, Length: len(b), At: time.Unix(1, 0)}
}

func TestFactsOfAHandshake(t *testing.T) {
	a := &Attempt{Local: local4, Remote: remote4}
	out, in := wire.IP{Src: here4, Dst: there4, TTL: 64, ID: 7}, wire.IP{Src: there4, Dst: here4, TTL: 61, TOS: 2}
	const isn, theirs = 4294967290, 1000
	first := a.Fact(frameOfPacket(t, Out, out, &wire.Segment{SrcPort: 40000, DstPort: 443, Seq: isn, Flags: wire.SYN | wire.ECE | wire.CWR, Window: 64240,
		Options: wire.Options{wire.MSS(1460), wire.Timestamps(5, 0)}}))
	want := evidence.Packet{Direction: "out", Own: true, Protocol: "tcp", From: local4, To: remote4, Flags: "SYN+ECE+CWR", TTL: 64, ID: 7, Window: 64240,
		Options: "mss 1460,TS val 5 ecr 0", Stamp: 5, Interface: 2, Hardware: "02:00:00:00:00:01"}
	if first == nil || *first != want {
		t.Errorf("SYN: %+v\nwant %+v", first, want)
	}
	answer := a.Fact(frameOfPacket(t, In, in, &wire.Segment{SrcPort: 443, DstPort: 40000, Seq: theirs, Ack: isn + 1, Flags: wire.SYN | wire.ACK, Window: 100,
		Options: wire.Options{wire.Timestamps(9, 5)}}))
	want = evidence.Packet{Direction: "in", Own: true, Protocol: "tcp", From: remote4, To: local4, Flags: "SYN+ACK", Ack: 1, TTL: 61, TOS: 2, Window: 100,
		Options: "TS val 9 ecr 5", Stamp: 9, Echo: 5, Interface: 2, Hardware: "02:00:00:00:00:01", Checksum: "good"}
	if answer == nil || *answer != want {
		t.Errorf("SYN-ACK: %+v\nwant %+v", answer, want)
	}
	ack := a.Fact(frameOfPacket(t, Out, out, &wire.Segment{SrcPort: 40000, DstPort: 443, Seq: 4294967291, Ack: theirs + 1, Flags: wire.ACK, Payload: []byte("hello")}))
	if ack == nil || ack.Seq != 1 || ack.Ack != 1 || ack.Length != 5 || ack.Checksum != "" {
		t.Errorf("ACK: %+v", ack)
	}
	rst := a.Fact(frameOfPacket(t, In, in, &wire.Segment{SrcPort: 443, DstPort: 40000, Seq: theirs + 1, Flags: wire.RST}))
	if rst == nil || rst.Seq != 1 || rst.Ack != 0 || rst.Flags != "RST" {
		t.Errorf("RST: %+v", rst)
	}
}

func TestFactsBesideAnAttempt(t *testing.T) {
	in4, in6 := wire.IP{Src: there4, Dst: here4, TTL: 61}, wire.IP{Src: there6, Dst: here6, TTL: 61}
	quoted := packet(t, here4, there4, syn(40001, 443))
	for _, tt := range []struct {
		name  string
		six   bool
		frame *Frame
		want  string // protocol and flags; empty: nothing
	}{
		{"another port's RST", false, frameOfPacket(t, In, in4, &wire.Segment{SrcPort: 80, DstPort: 4, Flags: wire.RST | wire.ACK}), "tcp RST+ACK"},
		{"another socket's SYN-ACK", false, frameOfPacket(t, In, in4, &wire.Segment{SrcPort: 443, DstPort: 4, Flags: wire.SYN | wire.ACK}), "tcp SYN+ACK"},
		{"another socket's data", false, frameOfPacket(t, In, in4, data(443, 4)), ""},
		{"a SYN from there", false, frameOfPacket(t, In, in4, syn(443, 4)), ""},
		{"another socket's SYN", false, frameOfPacket(t, Out, wire.IP{Src: here4, Dst: there4, TTL: 64}, syn(4, 443)), ""},
		{"echo reply", false, frameOfPacket(t, In, in4, message(wire.EchoReply, nil)), "icmp echo-reply"},
		{"echo request", false, frameOfPacket(t, In, in4, message(wire.EchoRequest, nil)), ""},
		{"its own error", false, frameOfPacket(t, In, in4, message(wire.Unreachable, quoted)), "icmp unreachable"},
		{"a router's error", false, frameOfPacket(t, In, wire.IP{Src: mid4, Dst: here4, TTL: 255}, message(wire.TimeExceeded, quoted)), ""},
		{"echo reply, IPv6", true, frameOfPacket(t, In, in6, message(wire.V6EchoReply, nil)), "icmp echo-reply"},
		{"the connection's, IPv6", true, frameOfPacket(t, In, in6, &wire.Segment{SrcPort: 443, DstPort: 40000, Flags: wire.RST | wire.ACK}), "tcp RST+ACK"},
		{"another host's", true, frameOfPacket(t, In, wire.IP{Src: mid6, Dst: here6, TTL: 61}, &wire.Segment{SrcPort: 443, DstPort: 40000, Flags: wire.RST}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &Attempt{Local: local4, Remote: remote4}
			if tt.six {
				a = &Attempt{Local: local6, Remote: remote6}
			}
			got := ""
			if p := a.Fact(tt.frame); p != nil {
				got = p.Protocol + " " + p.Flags
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestChecksums(t *testing.T) {
	in := wire.IP{Src: there4, Dst: here4, TTL: 61}
	answer := &wire.Segment{SrcPort: 443, DstPort: 40000, Ack: 1, Flags: wire.SYN | wire.ACK}
	for _, tt := range []struct {
		name   string
		change func(*Frame)
		want   string
	}{
		{"right", func(*Frame) {}, evidence.ChecksumGood},
		{"wrong", func(f *Frame) { f.Data[37] ^= 1 }, evidence.ChecksumBad},
		{"wrong IP header", func(f *Frame) { f.Data[11] ^= 1 }, evidence.ChecksumBad},
		{"not made: a virtual link", func(f *Frame) { f.Data[37] ^= 1; f.Checksum = Absent }, ""},
		{"found right by hardware", func(f *Frame) { f.Data[37] ^= 1; f.Checksum = Valid }, evidence.ChecksumGood},
		{"by the loopback", func(f *Frame) { f.Data[37] ^= 1; f.Loopback = true }, ""},
	} {
		f := frameOfPacket(t, In, in, answer)
		tt.change(f)
		a := &Attempt{Local: local4, Remote: remote4}
		if p := a.Fact(f); p == nil || p.Checksum != tt.want {
			t.Errorf("%s: %+v, want %q", tt.name, p, tt.want)
		}
	}
	cut := frameOfPacket(t, In, in, data(443, 40000))
	cut.Data = cut.Data[:42]
	if p := (&Attempt{Local: local4, Remote: remote4}).Fact(cut); p == nil || p.Checksum != "" || p.Length != 4 {
		t.Errorf("a cut frame: %+v, want its length and no word of its checksum", p)
	}
}

// A VLAN and the link that carries it show the same packet.
func TestOnePacketOnTwoInterfaces(t *testing.T) {
	a := &Attempt{Local: local4, Remote: remote4}
	f := frameOfPacket(t, Out, wire.IP{Src: here4, Dst: there4, TTL: 64}, syn(40000, 443))
	if a.Fact(f) == nil {
		t.Fatal("the first is missing")
	}
	f.Interface = 3
	if p := a.Fact(f); p != nil {
		t.Errorf("the same packet twice: %+v", p)
	}
	f.At = f.At.Add(time.Second)
	if a.Fact(f) == nil {
		t.Error("the SYN that was sent again is missing")
	}
	f.Interface = 2
	f.At = f.At.Add(time.Second)
	if a.Fact(f) == nil {
		t.Error("the third SYN is missing")
	}
}

func TestOwnAddressTalksToItself(t *testing.T) {
	self := netip.MustParseAddrPort("127.0.0.1:80")
	a := &Attempt{Local: netip.MustParseAddrPort("127.0.0.1:40000"), Remote: self}
	f := frameOfPacket(t, In, wire.IP{Src: self.Addr(), Dst: self.Addr(), TTL: 64}, syn(40000, 80))
	f.Loopback = true
	if p := a.Fact(f); p == nil || p.Direction != evidence.PacketOut || !p.Loopback {
		t.Errorf("%+v, want it as sent, by the loopback", p)
	}
}

// What is broken or short is nothing, and never a panic.
func TestFactsOfAnything(t *testing.T) {
	whole := frameOfPacket(t, In, wire.IP{Src: there4, Dst: here4, TTL: 61}, &wire.Segment{SrcPort: 443, DstPort: 40000, Flags: wire.SYN | wire.ACK, Options: wire.Options{wire.MSS(1)}})
	for n := range whole.Data {
		f := *whole
		f.Data = slices.Clone(whole.Data[:n])
		a := &Attempt{Local: local4, Remote: remote4}
		if p := a.Fact(&f); p != nil && n < 40 {
			t.Errorf("%d octets: %+v", n, p)
		}
	}
	for i := range whole.Data {
		f := *whole
		f.Data = slices.Clone(whole.Data)
		f.Data[i] ^= 0xff
		(&Attempt{Local: local4, Remote: remote4}).Fact(&f)
	}
}

func TestWantedCompiles(t *testing.T) {
	for _, remote := range []netip.AddrPort{remote4, remote6} {
		a := &Attempt{Remote: remote}
		program, err := a.Wanted().compile(snap, 0)
		if err != nil || len(program) > 350 {
			t.Errorf("%v: %d instructions, %v", remote, len(program), err)
		}
	}
}
