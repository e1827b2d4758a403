package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/internal/testmain"
	"github.com/dialscope/dialscope/internal/wire"
)

func TestMain(m *testing.M) { testmain.Main(m, testmain.Helper("open", openUnprivileged)) }

// openUnprivileged succeeds where a capture is not allowed.
func openUnprivileged([]string) int {
	k, err := Open(Config{})
	if err == nil {
		k.Close()
	}
	if errors.Is(err, ErrNoPrivilege) {
		return 0
	}
	fmt.Printf("Open: %v, want %v", err, ErrNoPrivilege)
	return 1
}

const snap = 192

// beside is what the kernel would say of a frame beside its octets.
type beside struct {
	pkttype, hatype, ethertype uint32
}

// run runs a filter over a frame with x/net's machine, which has no kernel to
// ask: what the extensions load is put in as constants.
func run(t testing.TB, f Filter, b beside, data []byte) bool {
	t.Helper()
	program, err := f.compile(snap, mostTags)
	if err != nil {
		t.Fatal(err)
	}
	for i, ins := range program {
		load, is := ins.(bpf.LoadExtension)
		if !is {
			continue
		}
		value, known := map[bpf.Extension]uint32{bpf.ExtType: b.pkttype, bpf.ExtLinkLayerType: b.hatype, bpf.ExtProto: b.ethertype}[load.Num]
		if !known {
			t.Fatalf("the program asks for extension %d", load.Num)
		}
		program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: value}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	if n != 0 && n != snap && n != len(data) {
		t.Fatalf("keeps %d octets, want %d", n, snap)
	}
	return n != 0
}

func ethernet(data []byte) beside {
	b := beside{hatype: 1, ethertype: ethertypeIPv4}
	if data[0]>>4 == 6 {
		b.ethertype = ethertypeIPv6
	}
	return b
}

var (
	here4, there4, mid4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("198.51.100.1")
	here6, there6, mid6 = netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:3::2"), netip.MustParseAddr("2001:db8:1::1")
)

func packet(t testing.TB, src, dst netip.Addr, what wire.Transport) []byte {
	t.Helper()
	b, err := (&wire.Packet{IP: wire.IP{Src: src, Dst: dst, TTL: 64}, Transport: what}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func syn(from, to uint16) *wire.Segment {
	return &wire.Segment{SrcPort: from, DstPort: to, Flags: wire.SYN, Options: wire.Options{wire.MSS(1460)}}
}

func data(from, to uint16) *wire.Segment {
	return &wire.Segment{SrcPort: from, DstPort: to, Flags: wire.ACK | wire.PSH, Payload: []byte("data")}
}

func udp(from, to uint16) *wire.Datagram { return &wire.Datagram{SrcPort: from, DstPort: to} }

func message(typ uint8, body []byte) *wire.Message {
	return &wire.Message{Type: typ, Body: body}
}

func TestFilter(t *testing.T) {
	p := func(src, dst netip.Addr, what wire.Transport) []byte { return packet(t, src, dst, what) }
	dial := Filter{
		{Protocol: TCP, Hosts: []netip.Addr{there4}, Ports: []uint16{443}},
		{Protocol: TCP, Hosts: []netip.Addr{there4}, Flags: uint8(wire.SYN | wire.RST)},
		{Protocol: UDP, Hosts: []netip.Addr{there4}, Ports: []uint16{33434}},
		{Protocol: ICMP, Hosts: []netip.Addr{there4}},
	}
	dial6 := slices.Clone(dial)
	for i := range dial6 {
		dial6[i].Hosts = []netip.Addr{there6}
	}
	for _, tt := range []struct {
		name   string
		filter Filter
		frame  []byte
		want   bool
	}{
		{"everything", nil, p(here4, there4, udp(1, 2)), true},
		{"everything, IPv6", nil, p(here6, there6, udp(1, 2)), true},
		{"an empty part wants everything", Filter{{}}, p(here4, there4, message(8, nil)), true},
		{"our SYN", dial, p(here4, there4, syn(40000, 443)), true},
		{"its answer", dial, p(there4, here4, syn(443, 40000)), true},
		{"data of our port", dial, p(there4, here4, data(443, 40000)), true},
		{"data of another port", dial, p(there4, here4, data(80, 40000)), false},
		{"a RST of another port", dial, p(there4, here4, &wire.Segment{SrcPort: 80, DstPort: 4, Flags: wire.RST | wire.ACK}), true},
		{"another host", dial, p(mid4, here4, syn(443, 40000)), false},
		{"another host with the port", dial, p(here4, mid4, data(40000, 443)), false},
		{"the probe's datagram", dial, p(here4, there4, udp(40000, 33434)), true},
		{"another datagram", dial, p(here4, there4, udp(40000, 53)), false},
		{"echo request", dial, p(here4, there4, message(8, []byte{1})), true},
		{"echo reply", dial, p(there4, here4, message(0, []byte{1})), true},
		{"echo reply of another", dial, p(mid4, here4, message(0, nil)), false},
		{"ICMP that is no error", dial, p(there4, here4, message(13, make([]byte, 12))), false},
		{"an error from a router about our SYN", dial, p(mid4, here4, message(11, p(here4, there4, syn(40000, 443)))), true},
		{"eight octets are enough of it", dial, p(mid4, here4, message(3, p(here4, there4, syn(40000, 443))[:28])), true},
		{"an error about another port's SYN", dial, p(mid4, here4, message(11, p(here4, there4, syn(40000, 22))[:28])), true},
		{"an error about the datagram, from the host", dial, p(there4, here4, message(3, p(here4, there4, udp(40000, 33434)))), true},
		{"an error about another datagram", dial, p(there4, here4, message(3, p(here4, there4, udp(40000, 53)))), false},
		{"an error about a packet to another host", dial, p(mid4, here4, message(3, p(here4, mid4, syn(40000, 443)))), false},
		{"IPv6 where IPv4 is wanted", dial, p(there6, here6, syn(443, 40000)), false},
		{"our SYN, IPv6", dial6, p(here6, there6, syn(40000, 443)), true},
		{"answer, IPv6", dial6, p(there6, here6, syn(443, 40000)), true},
		{"another host, IPv6", dial6, p(mid6, here6, syn(443, 40000)), false},
		{"another port's data, IPv6", dial6, p(there6, here6, data(80, 40000)), false},
		{"echo reply, IPv6", dial6, p(there6, here6, message(129, nil)), true},
		{"neighbor solicitation", dial6, p(there6, here6, message(135, make([]byte, 20))), false},
		{"error from a router, IPv6", dial6, p(mid6, here6, message(3, p(here6, there6, syn(40000, 443)))), true},
		{"error about another host, IPv6", dial6, p(mid6, here6, message(3, p(here6, mid6, syn(40000, 443)))), false},
		{"error about a datagram, IPv6", dial6, p(there6, here6, message(1, p(here6, there6, udp(4, 33434)))), true},
		{"IPv4 where IPv6 is wanted", dial6, p(there4, here4, syn(443, 40000)), false},
		{"port alone, TCP", Filter{{Ports: []uint16{53}}}, p(here4, mid4, data(53, 9)), true},
		{"port alone, UDP, IPv6", Filter{{Ports: []uint16{1, 53}}}, p(here6, mid6, udp(9, 53)), true},
		{"port alone, neither", Filter{{Ports: []uint16{53}}}, p(here4, mid4, data(54, 9)), false},
		{"port alone, ICMP", Filter{{Ports: []uint16{53}}}, p(here4, mid4, message(8, make([]byte, 8))), false},
		{"protocol alone", Filter{{Protocol: UDP}}, p(here4, mid4, udp(9, 9)), true},
		{"protocol alone, another", Filter{{Protocol: UDP}}, p(here4, mid4, syn(9, 9)), false},
		{"flags without protocol mean TCP", Filter{{Flags: uint8(wire.SYN)}}, p(here4, mid4, udp(9, 9)), false},
		{"two hosts, the second", Filter{{Hosts: []netip.Addr{there4, mid4}}}, p(here4, mid4, udp(9, 9)), true},
		{"hosts of both versions", Filter{{Hosts: []netip.Addr{there4, mid6}}}, p(mid6, here6, udp(9, 9)), true},
		{"a mapped address is IPv4", Filter{{Hosts: []netip.Addr{netip.AddrFrom16(there4.As16())}}}, p(there4, here4, udp(9, 9)), true},
		{"the second part fits", Filter{{Protocol: TCP}, {Protocol: UDP}}, p(here4, mid4, udp(9, 9)), true},
		{"no part fits", Filter{{Protocol: TCP}, {Protocol: ICMP}}, p(here4, mid4, udp(9, 9)), false},
		{"a later fragment has no port", Filter{{Ports: []uint16{9}}}, fragment(p(here4, mid4, udp(9, 9)), 100), false},
		{"a later fragment of the host", Filter{{Hosts: []netip.Addr{mid4}}}, fragment(p(here4, mid4, udp(9, 9)), 100), true},
		{"the first fragment has ports", Filter{{Ports: []uint16{9}}}, fragment(p(here4, mid4, udp(9, 9)), 0), true},
		{"IPv4 options", Filter{{Ports: []uint16{7}}}, withOptions(p(here4, mid4, udp(9, 7))), true},
		{"extension header: let through", Filter{{Ports: []uint16{7}}}, extended(p(here6, mid6, udp(9, 9))), true},
		{"extension header, another host", Filter{{Hosts: []netip.Addr{there6}, Ports: []uint16{7}}}, extended(p(here6, mid6, udp(9, 7))), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(t, tt.filter, ethernet(tt.frame), tt.frame); got != tt.want {
				t.Errorf("let through: %v, want %v", got, tt.want)
			}
			for tags := 1; tags <= mostTags; tags++ {
				b, tagged := tag(ethernet(tt.frame), tt.frame, tags)
				if got := run(t, tt.filter, b, tagged); got != tt.want {
					t.Errorf("with %d VLAN tags: let through: %v, want %v", tags, got, tt.want)
				}
			}
			for cut := range tt.frame { // no frame, however short, is a fault of the machine
				run(t, tt.filter, ethernet(tt.frame), tt.frame[:cut])
			}
		})
	}
}

func fragment(b []byte, offset uint16) []byte {
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b[6:], 0x2000|offset)
	return b
}

func withOptions(b []byte) []byte {
	b = slices.Insert(slices.Clone(b), 20, 1, 1, 1, 1)
	b[0]++
	return b
}

// extended puts a hop-by-hop header (RFC 8200 §4.3) before the payload.
func extended(b []byte) []byte {
	b = slices.Insert(slices.Clone(b), headerV6, b[6], 0, 1, 4, 0, 0, 0, 0)
	b[6] = 0
	return b
}

func tag(b beside, frame []byte, tags int) (beside, []byte) {
	for range tags {
		inner := binary.BigEndian.AppendUint16([]byte{0, 7}, uint16(b.ethertype))
		frame, b.ethertype = append(inner, frame...), ethertypeVLAN
	}
	return b, frame
}

func TestFilterBesideTheOctets(t *testing.T) {
	frame := packet(t, here4, there4, syn(1, 2))
	for _, tt := range []struct {
		name string
		beside
		want bool
	}{
		{"sent", beside{4, 1, ethertypeIPv4}, true},
		{"received on lo", beside{0, 772, ethertypeIPv4}, true},
		{"sent on lo: it comes again", beside{4, 772, ethertypeIPv4}, false},
		{"broadcast", beside{1, 1, ethertypeIPv4}, true},
		{"ARP", beside{0, 1, 0x0806}, false},
		{"without a link header", beside{0, 65534, ethertypeIPv4}, true},
	} {
		if got := run(t, nil, tt.beside, frame); got != tt.want {
			t.Errorf("%s: let through: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A filter wants what its parts want, said once more without a program.
func TestFilterAgainstPlainWords(t *testing.T) {
	hosts := []netip.Addr{here4, there4, mid4, here6, there6, mid6}
	ports := []uint16{1, 2, 3}
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.Custom(func(rt *rapid.T) Packets {
			p := Packets{
				Protocol: rapid.SampledFrom([]uint8{0, TCP, UDP, ICMP}).Draw(rt, "protocol"),
				Hosts:    rapid.SliceOfN(rapid.SampledFrom(hosts), 0, 3).Draw(rt, "hosts"),
			}
			if p.Protocol != ICMP {
				p.Ports = rapid.SliceOfN(rapid.SampledFrom(ports), 0, 2).Draw(rt, "ports")
			}
			if p.Protocol == TCP {
				p.Flags = rapid.SampledFrom([]uint8{0, 2, 6, 16}).Draw(rt, "flags")
			}
			return p
		})
		f := Filter(rapid.SliceOfN(part, 1, 3).Draw(rt, "filter"))
		v6 := rapid.Bool().Draw(rt, "v6")
		ends := hosts[:3]
		if v6 {
			ends = hosts[3:]
		}
		sent := rapid.Custom(func(rt *rapid.T) packetSaid {
			return packetSaid{
				src: rapid.SampledFrom(ends).Draw(rt, "src"), dst: rapid.SampledFrom(ends).Draw(rt, "dst"),
				protocol: rapid.SampledFrom([]uint8{TCP, UDP, ICMP, 47}).Draw(rt, "of"),
				sport:    rapid.SampledFrom(ports).Draw(rt, "sport"), dport: rapid.SampledFrom(ports).Draw(rt, "dport"),
				flags: rapid.SampledFrom([]uint8{2, 4, 16, 18}).Draw(rt, "bits"),
			}
		})
		s := sent.Draw(rt, "packet")
		if s.protocol == ICMP && rapid.Bool().Draw(rt, "is an error") {
			q := sent.Draw(rt, "quoted")
			s.quoted = &q
		}
		frame := s.frame(t)
		want := slices.ContainsFunc(f, func(p Packets) bool { return s.wanted(&p, false) || s.quoted != nil && s.quoted.wanted(&p, true) })
		if got := run(t, f, ethernet(frame), frame); got != want {
			rt.Fatalf("%+v\nlet through: %v, want %v: %s", f, got, want, wire.Summary(frame))
		}
	})
}

type packetSaid struct {
	src, dst     netip.Addr
	protocol     uint8
	sport, dport uint16
	flags        uint8
	quoted       *packetSaid
}

func (s *packetSaid) frame(t testing.TB) []byte {
	v6 := s.src.Is6()
	switch s.protocol {
	case TCP:
		return packet(t, s.src, s.dst, &wire.Segment{SrcPort: s.sport, DstPort: s.dport, Flags: wire.Flags(s.flags)})
	case UDP:
		return packet(t, s.src, s.dst, udp(s.sport, s.dport))
	case ICMP:
		echo, failed := uint8(wire.EchoReply), uint8(wire.TimeExceeded)
		if v6 {
			echo, failed = wire.V6EchoReply, wire.V6TimeExceeded
		}
		if s.quoted != nil {
			return packet(t, s.src, s.dst, message(failed, s.quoted.frame(t)))
		}
		return packet(t, s.src, s.dst, message(echo, nil))
	}
	return packet(t, s.src, s.dst, &wire.Other{Protocol: wire.Protocol(s.protocol), Payload: make([]byte, 8)})
}

func (s *packetSaid) wanted(p *Packets, quoted bool) bool {
	if len(p.Hosts) > 0 && !slices.Contains(p.Hosts, s.src) && !slices.Contains(p.Hosts, s.dst) {
		return false
	}
	if p.Protocol != 0 && p.Protocol != s.protocol || p.Protocol == ICMP && s.quoted != nil && !quoted {
		return false
	}
	if len(p.Ports) > 0 {
		if s.protocol != TCP && s.protocol != UDP || !slices.Contains(p.Ports, s.sport) && !slices.Contains(p.Ports, s.dport) {
			return false
		}
	}
	return quoted || p.Flags == 0 || p.Flags&s.flags != 0
}

func TestFilterRefused(t *testing.T) {
	many := Filter{{}}
	for i := range 2000 {
		many[0].Hosts = append(many[0].Hosts, netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}))
	}
	for _, tt := range []struct {
		filter Filter
		say    string
	}{
		{Filter{{Protocol: UDP, Flags: 2}}, "only TCP has flags"},
		{Filter{{Protocol: ICMP, Ports: []uint16{1}}}, "ICMP has no ports"},
		{Filter{{Protocol: 47}}, "protocol 47"},
		{many, "name fewer hosts"},
	} {
		if _, err := Open(Config{Filter: tt.filter}); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%v, want %q in it", err, tt.say)
		}
	}
}

func TestUntag(t *testing.T) {
	frame := packet(t, here4, there4, syn(1, 2))
	for tags := range mostTags + 1 {
		b, tagged := tag(ethernet(frame), frame, tags)
		f := Frame{Ethertype: uint16(b.ethertype), Data: tagged, Length: len(tagged)}
		f.untag(0x2005, true) // priority 1, VLAN 5
		want := [3]uint16{5}
		for i := range tags {
			want[i+1] = 7
		}
		if f.VLANs != want || f.Ethertype != ethertypeIPv4 || !slices.Equal(f.Data, frame) || f.Length != len(frame) {
			t.Errorf("%d tags within: %+v", tags, f)
		}
	}
	short := Frame{Ethertype: ethertypeVLAN, Data: []byte{1}}
	if short.untag(0, false); len(short.Data) != 1 {
		t.Error("a tag that is cut was taken away")
	}
}

func TestDirectionNames(t *testing.T) {
	if got := fmt.Sprint(In, Broadcast, Multicast, Other, Out, Direction(9)); got != "in broadcast multicast other out direction 9" {
		t.Error(got)
	}
}

func BenchmarkCompile(b *testing.B) {
	f := Filter{{Protocol: TCP, Hosts: []netip.Addr{there4}, Ports: []uint16{443}}}
	for b.Loop() {
		if _, err := f.compile(snap, mostTags); err != nil {
			b.Fatal(err)
		}
	}
}
