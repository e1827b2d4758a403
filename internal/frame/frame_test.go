package frame

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/internal/tcpstate"
	"github.com/dialscope/dialscope/internal/wire"
)

var (
	src4, dst4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	src6, dst6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// ip builds a packet between the test's addresses of a family.
func ip(t testing.TB, family int, transport wire.Transport) []byte {
	t.Helper()
	p := &wire.Packet{IP: wire.IP{Src: src4, Dst: dst4, TTL: 64}, Transport: transport}
	if family == 6 {
		p.Src, p.Dst = src6, dst6
	} else {
		p.ID = 77
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func segment() *wire.Segment {
	return &wire.Segment{SrcPort: 4000, DstPort: 80, Seq: 7, Ack: 9, Flags: wire.ACK | wire.PSH, Window: 500, Payload: []byte("hello"), Options: wire.Options{wire.Timestamps(1, 2)}}
}

func other(protocol wire.Protocol, parts ...any) *wire.Other {
	return &wire.Other{Protocol: protocol, Payload: join(parts...)}
}

func udp(port uint16, parts ...any) *wire.Datagram {
	return &wire.Datagram{SrcPort: 9999, DstPort: port, Payload: join(parts...)}
}

// join puts octets together: bytes, numbers of 16 bits, slices.
func join(parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case byte:
			b = append(b, p)
		case int:
			b = binary.BigEndian.AppendUint16(b, uint16(p))
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case []byte:
			b = append(b, p...)
		default:
			panic("neither byte, int, uint32 nor []byte")
		}
	}
	return b
}

var macs = make([]byte, 12)

func ethernet(typ int, parts ...any) []byte { return join(macs, typ, join(parts...)) }

// chained6 puts headers of 8 octets between an IPv6 header and what follows.
func chained6(packet []byte, headers ...byte) []byte {
	var between []byte
	next := packet[6]
	for _, h := range slices.Backward(headers) {
		between = append([]byte{next, 0, 0, 0, 0, 0, 0, 0}, between...)
		next = h
	}
	b := join(packet[:40], between, packet[40:])
	b[6] = next
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

// Every wrapping gives the same segment, and says what it was wrapped in.
func TestWrappings(t *testing.T) {
	tcp4, tcp6 := ip(t, 4, segment()), ip(t, 6, segment())
	eth := ethernet(0x0800, tcp4)
	wifi := join(byte(0x08), byte(0x01), make([]byte, 22))
	snap := join(byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800)
	for _, c := range []struct {
		name string
		link LinkType
		b    []byte
		path string
	}{
		{"Ethernet, IPv4", Ethernet, eth, ""},
		{"Ethernet, IPv6", Ethernet, ethernet(0x86dd, tcp6), ""},
		{"Ethernet with padding", Ethernet, join(eth, make([]byte, 20)), ""},
		{"VLAN", Ethernet, ethernet(0x8100, 5, 0x0800, tcp4), "VLAN 5"},
		{"QinQ", Ethernet, ethernet(0x88a8, 0x6001, 0x8100, 0x2002, 0x86dd, tcp6), "VLAN 1, VLAN 2"},
		{"MPLS", Ethernet, ethernet(0x8847, uint32(100<<12|64), uint32(200<<12|0x100|64), tcp4), "MPLS 100, MPLS 200"},
		{"MPLS, pseudowire with control word", Ethernet, ethernet(0x8847, uint32(9<<12|0x100), uint32(0), eth), "MPLS 9"},
		{"LLC SNAP", Ethernet, ethernet(100, byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800, tcp4), ""},
		{"LLC with IP's SAP", Ethernet, ethernet(100, byte(6), byte(6), byte(3), tcp4), ""},
		{"PPPoE", Ethernet, ethernet(0x8864, 0x1100, 3, len(tcp4)+2, 0x0021, tcp4), "PPPoE session 3"},
		{"FabricPath", Ethernet, ethernet(0x8903, 0x0001, eth), "FabricPath"},
		{"cooked v1", Cooked, join(0, 1, 6, make([]byte, 8), 0x0800, tcp4), ""},
		{"cooked v1, VLAN", Cooked, join(0, 1, 6, make([]byte, 8), 0x8100, 4, 0x0800, tcp4), "VLAN 4"},
		{"cooked v2", CookedV2, join(0x86dd, 0, make([]byte, 16), tcp6), ""},
		{"raw IPv4", Raw, tcp4, ""},
		{"raw IPv6", IPv6, tcp6, ""},
		{"null, little-endian", Null, join(byte(2), byte(0), byte(0), byte(0), tcp4), ""},
		{"null, IPv6 of Darwin", Null, join(byte(30), byte(0), byte(0), byte(0), tcp6), ""},
		{"loop, network order", Loop, join(uint32(24), tcp6), ""},
		{"PPP with HDLC", PPPHDLC, join(0xff03, 0x0021, tcp4), ""},
		{"PPP, protocol in one octet", PPP, join(byte(0x57), tcp6), ""},
		{"PPPoE alone", PPPoE, join(0x1100, 8, len(tcp4)+2, 0x0021, tcp4), "PPPoE session 8"},
		{"Cisco HDLC", CiscoHDLC, join(0x0f00, 0x0800, tcp4), ""},
		{"802.11", WiFi, join(wifi, byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800, tcp4), ""},
		{"802.11 QoS", WiFi, join(byte(0x88), byte(0x01), make([]byte, 24), byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800, tcp4), ""},
		{"802.11 between access points", WiFi, join(byte(0x08), byte(0x03), make([]byte, 28), byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800, tcp4), ""},
		{"radiotap", Radiotap, join(byte(0), byte(0), byte(8), byte(0), uint32(0), wifi, byte(0xaa), byte(0xaa), byte(3), byte(0), 0, 0x0800, tcp4), ""},
		{"Prism", Prism, join(uint32(0x44), byte(16), byte(0), byte(0), byte(0), make([]byte, 8), wifi, snap, tcp4), ""},
		{"Prism, big-endian", Prism, join(uint32(0x44), uint32(16), make([]byte, 8), wifi, snap, tcp4), ""},
		{"AVS", AVS, join(uint32(0x80211001), uint32(64), make([]byte, 56), wifi, snap, tcp4), ""},
		{"PPI with 802.11", PPI, join(byte(0), byte(0), byte(12), byte(0), byte(105), byte(0), byte(0), byte(0), uint32(0), wifi, snap, tcp4), ""},
		{"PPI with Ethernet", PPI, join(byte(0), byte(0), byte(8), byte(0), byte(1), byte(0), byte(0), byte(0), eth), ""},
		{"PPP with direction", PPPWith, join(byte(1), 0xff03, 0x0021, tcp4), ""},
		{"Frame Relay", Relay, join(byte(0x18), byte(0x41), byte(3), byte(0xcc), tcp4), ""},
		{"Frame Relay, IPv6", Relay, join(byte(0x18), byte(0x41), byte(3), byte(0x8e), tcp6), ""},
		{"Frame Relay, SNAP", Relay, join(byte(0x18), byte(0x41), byte(3), byte(0), byte(0x80), byte(0), 0, 0x0800, tcp4), ""},
		{"pf log", PacketLog, join(byte(61), byte(2), make([]byte, 62), tcp4), ""},
		{"OpenBSD IPsec", Encap, join(uint32(2), uint32(1), uint32(0), tcp4), ""},
		{"netfilter log", NFLog, join(byte(2), byte(0), 0, byte(8), byte(0), byte(1), byte(0), uint32(0), byte(5), byte(0), byte(10), byte(0), byte('x'), byte(0), 0, byte(4+len(tcp4)), byte(0), byte(9), byte(0), tcp4), ""},
		{"IP over InfiniBand", IPoIB, join(make([]byte, 40), 0x0800, 0, tcp4), ""},
		{"ARCNET, RFC 1051", ARCNet, join(byte(1), byte(2), 0, byte(240), tcp4), ""},
		{"ARCNET, RFC 1201", ARCNet, join(byte(1), byte(2), 0, byte(212), byte(0), 1, tcp4), ""},
		{"ARCNET, exception", ARCNet, join(byte(1), byte(2), 0, byte(212), byte(0xff), 0, byte(0), byte(0), 1, tcp4), ""},
		{"GRE", Raw, ip(t, 4, other(47, 0, 0x0800, tcp4)), "GRE"},
		{"GRE with checksum, key and number", Raw, ip(t, 4, other(47, 0xb000, 0x86dd, uint32(1), uint32(2), uint32(3), tcp6)), "GRE"},
		{"GRE with Ethernet", Raw, ip(t, 4, other(47, 0, 0x6558, eth)), "GRE"},
		{"GRE, PPTP", Raw, ip(t, 4, other(47, 0x3081, 0x880b, uint32(1), uint32(2), uint32(3), 0x0021, tcp4)), "GRE"},
		{"ERSPAN I", Raw, ip(t, 4, other(47, 0, 0x88be, eth)), "ERSPAN"},
		{"ERSPAN II", Raw, ip(t, 4, other(47, 0x1000, 0x88be, uint32(1), make([]byte, 8), eth)), "ERSPAN"},
		{"ERSPAN III", Raw, ip(t, 4, other(47, 0x1000, 0x22eb, uint32(1), make([]byte, 12), eth)), "ERSPAN"},
		{"6in4", Raw, ip(t, 4, other(41, tcp6)), "6in4"},
		{"IP in IP", Raw, ip(t, 4, other(4, tcp4)), "IP in IP"},
		{"4in6", Raw, ip(t, 6, other(4, tcp4)), "4in6"},
		{"6in6", Raw, ip(t, 6, other(41, tcp6)), "IPv6 in IPv6"},
		{"MPLS in IP", Raw, ip(t, 4, other(137, uint32(3<<12|0x100), tcp4)), "MPLS 3"},
		{"AH", Raw, ip(t, 4, other(51, byte(6), byte(4), 0, uint32(1), uint32(2), make([]byte, 12), tcp4[20:])), ""},
		{"VXLAN", Raw, ip(t, 4, udp(4789, uint32(0x08000000), uint32(42<<8), eth)), "VXLAN 42"},
		{"Geneve with an option", Raw, ip(t, 4, udp(6081, byte(1), byte(0), 0x6558, uint32(7<<8), uint32(0), eth)), "Geneve 7"},
		{"Geneve with IP", Raw, ip(t, 6, udp(6081, byte(0), byte(0), 0x0800, uint32(7<<8), tcp4)), "Geneve 7"},
		{"Teredo", Raw, ip(t, 4, udp(3544, tcp6)), "Teredo"},
		{"Teredo with authentication and origin", Raw, ip(t, 4, udp(3544, 1, 0, make([]byte, 9), 0, 1234, uint32(5), tcp6)), "Teredo"},
		{"GTP-U", Raw, ip(t, 4, udp(2152, byte(0x30), byte(0xff), len(tcp4), uint32(1), tcp4)), "GTP-U"},
		{"GTP-U with an extension", Raw, ip(t, 4, udp(2152, byte(0x34), byte(0xff), len(tcp4)+8, uint32(1), 0, byte(0), byte(0x85), byte(1), 0, byte(0), tcp4)), "GTP-U"},
		{"backbone bridging", Ethernet, ethernet(0x88e7, uint32(0x40000123), eth), "PBB 291"},
		{"VN-Tag", Ethernet, ethernet(0x8926, uint32(1), 0x8100, 5, 0x0800, tcp4), "VN-Tag, VLAN 5"},
		{"NSH", Ethernet, ethernet(0x894f, byte(0x0f), byte(0xc2), byte(2), byte(1), uint32(0), tcp4), "NSH"},
		{"NSH with metadata, Ethernet", Ethernet, ethernet(0x894f, byte(0), byte(6), byte(1), byte(3), make([]byte, 20), eth), "NSH"},
		{"NSH with MPLS", Ethernet, ethernet(0x894f, byte(0), byte(2), byte(1), byte(5), uint32(0), uint32(7<<12|0x100), tcp4), "NSH, MPLS 7"},
		{"VXLAN-GPE with IP", Raw, ip(t, 4, udp(4790, uint32(0x0c000001), uint32(42<<8), tcp4)), "VXLAN 42"},
		{"VXLAN-GPE with Ethernet", Raw, ip(t, 4, udp(4790, uint32(0x0c000003), uint32(42<<8), eth)), "VXLAN 42"},
		{"VXLAN-GPE with NSH", Raw, ip(t, 4, udp(4790, uint32(0x0c000004), uint32(42<<8), byte(0), byte(2), byte(1), byte(2), uint32(0), tcp6)), "VXLAN 42, NSH"},
		{"VXLAN-GPE with MPLS", Raw, ip(t, 4, udp(4790, uint32(0x0c000005), uint32(42<<8), uint32(7<<12|0x100), tcp4)), "VXLAN 42, MPLS 7"},
		{"MPLS in UDP", Raw, ip(t, 4, udp(6635, uint32(7<<12|0x100), tcp4)), "MPLS 7"},
		{"EtherIP", Raw, ip(t, 4, other(97, 0x3000, eth)), "EtherIP"},
		{"L2TP", Raw, ip(t, 4, udp(1701, 0x0002, 1, 9, 0xff03, 0x0021, tcp4)), "L2TP session 9"},
		{"L2TP with everything", Raw, ip(t, 4, udp(1701, 0x4a02, 99, 1, 9, 3, 4, 2, 0, 0xff03, 0x0021, tcp4)), "L2TP session 9"},
		{"AYIYA", Raw, ip(t, 4, udp(5072, byte(0x41), byte(0x52), byte(0x11), byte(41), uint32(0), make([]byte, 36), tcp6)), "AYIYA"},
		{"IPv6 with HIP and mobility", Raw, chained6(tcp6, 139, 135), ""},
		{"PKTAP with Ethernet", PKTAP, join(byte(108), byte(0), 0, byte(1), byte(0), 0, byte(1), byte(0), 0, make([]byte, 96), eth), ""},
		{"PKTAP with raw IP", PKTAP, join(byte(108), byte(0), 0, byte(1), byte(0), 0, byte(12), byte(0), 0, make([]byte, 96), tcp4), ""},
		{"FDDI", FDDI, join(make([]byte, 13), snap, tcp4), ""},
		{"ATM", ATM, join(snap, tcp4), ""},
		{"MPLS alone", MPLS, join(uint32(7<<12|0x100), tcp4), "MPLS 7"},
		{"Token Ring", TokenRing, join(0x1040, make([]byte, 12), snap, tcp4), ""},
		{"Token Ring with a route", TokenRing, join(0x1040, make([]byte, 6), byte(0x80), make([]byte, 5), byte(6), make([]byte, 5), snap, tcp4), ""},
		{"netANALYZER", NetANA, join(uint32(0), eth), ""},
		{"netANALYZER with preamble", NetANAPre, join(uint32(0), make([]byte, 8), eth), ""},
		{"Ethernet with preamble", MPacket, join(make([]byte, 8), eth), ""},
		{"tunnels in each other", Ethernet, ethernet(0x8100, 9, 0x0800, ip(t, 4, udp(4789, uint32(0x08000000), uint32(1<<8), ethernet(0x0800, ip(t, 4, other(47, 0, 0x86dd, tcp6)))))), "VLAN 9, VXLAN 1, GRE"},
		{"atomic fragment of IPv6", Raw, fragment6(tcp6, 0, false), ""},
		{"hop-by-hop and destination options", Raw, extended6(tcp6), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder()
			if kind := d.Frame(c.link, c.b, len(c.b), 3*time.Second, 5); kind != TCP {
				t.Fatalf("kind %v, skipped %v", kind, d.Skipped())
			}
			s := d.Segment
			if s.SrcPort != 4000 || s.DstPort != 80 || s.Seq != 7 || s.Ack != 9 || s.Window != 500 || s.Len != 5 || s.TTL != 64 ||
				s.Flags != tcpstate.ACK|tcpstate.PSH || len(s.Options) != 12 || s.Time != 3*time.Second || s.Frame != 5 {
				t.Errorf("%+v", s)
			}
			if got := d.PathText(s.Path); got != c.path {
				t.Errorf("wrapped in %q, want %q", got, c.path)
			}
			if a := s.Src.Netip(); a != src4 && a != src6 {
				t.Errorf("from %v", a)
			}
		})
	}
}

func fragment6(p []byte, offset int, more bool) []byte {
	word := offset
	if more {
		word |= 1
	}
	b := slices.Clone(p[:40])
	b[6] = 44
	binary.BigEndian.PutUint16(b[4:], uint16(len(p)-40+8))
	return join(b, byte(6), byte(0), word, uint32(99), p[40:])
}

func extended6(p []byte) []byte {
	b := slices.Clone(p[:40])
	b[6] = 0
	binary.BigEndian.PutUint16(b[4:], uint16(len(p)-40+24))
	return join(b, byte(60), byte(0), make([]byte, 6), byte(6), byte(1), make([]byte, 14), p[40:])
}

// What gives no segment is named.
func TestSkipped(t *testing.T) {
	tcp4 := ip(t, 4, segment())
	later := slices.Clone(tcp4)
	later[7] = 1 // fragment offset 8
	odd := slices.Clone(tcp4)
	odd[6], odd[7] = 0x20, 3 // more fragments, behind a number of octets that is no multiple of 8
	deep := tcp4
	for range maxLayers + 1 {
		deep = ip(t, 4, other(4, deep))
	}
	short := slices.Clone(tcp4)
	short[32] = 0x30 // a data offset of 3 words
	for what, c := range map[string]struct {
		link  LinkType
		b     []byte
		other bool
	}{
		"ARP":                              {Ethernet, ethernet(0x0806), true},
		"LLDP":                             {Ethernet, ethernet(0x88cc), true},
		"EtherType 0x1234":                 {Ethernet, ethernet(0x1234), false},
		"MACsec":                           {Ethernet, ethernet(0x88e5, make([]byte, 20)), false},
		"LLC frame for SAP 0x42":           {Ethernet, ethernet(38, byte(0x42), byte(0x42), byte(3)), false},
		"PPPoE discovery":                  {Ethernet, ethernet(0x8864, 0x1109, 0, 0), true},
		"PPP protocol 0xc021":              {PPP, join(0xc021, uint32(0)), false},
		"loopback frame of address family": {Null, join(byte(7), byte(0), byte(0), byte(0)), false},
		"UDP":                              {Raw, ip(t, 4, udp(53)), true},
		"OSPF":                             {Raw, ip(t, 4, other(89)), true},
		"IP protocol 200":                  {Raw, ip(t, 4, other(200)), true},
		"IP version 5":                     {Raw, []byte{0x50}, false},
		"IP fragment whose first one":      {Raw, later, false},
		"impossible length":                {Raw, odd, false},
		"more than 12 tunnels":             {Raw, deep, false},
		"an impossible length":             {Raw, short, false},
		"link type 147":                    {LinkType(147), tcp4, false},
		"802.11 management":                {WiFi, join(byte(0x80), byte(0), make([]byte, 30)), false},
		"encrypted 802.11":                 {WiFi, join(byte(0x08), byte(0x41), make([]byte, 30)), false},
		"ICMP":                             {Raw, ip(t, 4, &wire.Message{Type: 8}), true},
		"not an error about TCP":           {Raw, ip(t, 4, &wire.Message{Type: 3, Body: ip(t, 4, udp(53))}), true},
		"quotes too little":                {Raw, ip(t, 4, &wire.Message{Type: 3, Body: tcp4[:22]}), false},
		"cut before the end":               {Raw, tcp4[:30], false},
	} {
		d := NewDecoder()
		kind := d.Frame(c.link, c.b, max(len(c.b), 40), 0, 1)
		d.Fragments() // gives up waiting
		all := d.Skipped()
		if kind != None || len(all) != 1 || !strings.Contains(all[0].What, what) || all[0].Frames != 1 || all[0].Other != c.other {
			t.Errorf("%s: kind %v, %+v", what, kind, all)
		}
	}
}

// A frame that is cut anywhere is counted, never more.
func TestCutAnywhere(t *testing.T) {
	tcp6 := ip(t, 6, segment())
	b := ethernet(0x8100, 9, 0x0800, ip(t, 4, udp(4789, uint32(0x08000000), uint32(1<<8), ethernet(0x0800, ip(t, 4, other(47, 0xb000, 0x86dd, uint32(1), uint32(2), uint32(3), tcp6))))))
	for n := range len(b) {
		d := NewDecoder()
		kind := d.Frame(Ethernet, b[:n:n], len(b), 0, 1)
		header := len(b) - 5 - 12 - 6 // window, checksum and urgent pointer may be cut
		if (kind == TCP) != (n >= header) {
			t.Errorf("cut after %d of %d octets: kind %v, %v", n, len(b), kind, d.Skipped())
		}
		if kind == TCP && d.Segment.Len != 5 {
			t.Errorf("cut after %d octets: %d octets of data on the wire, want 5", n, d.Segment.Len)
		}
		if kind == TCP && (d.Segment.NoWindow != (n < header+2) || !d.Segment.NoWindow && d.Segment.Window != 500 || d.Segment.Flags != tcpstate.ACK|tcpstate.PSH) {
			t.Errorf("cut after %d octets: %+v", n, d.Segment)
		}
	}
}

func TestLengths(t *testing.T) {
	tcp4 := ip(t, 4, segment())
	offload := slices.Clone(tcp4)
	offload[2], offload[3] = 0, 0
	d := NewDecoder()
	if d.Frame(Raw, offload, len(offload), 0, 1) != TCP || d.Segment.Len != 5 {
		t.Errorf("a total length of 0: %d octets", d.Segment.Len)
	}
	damaged := slices.Clone(tcp4)
	damaged[2], damaged[3] = 0xff, 0xff
	if d.Frame(Raw, damaged, len(damaged), 0, 1) != TCP || d.Segment.Len != 5 {
		t.Errorf("a total length beyond the frame: %d octets", d.Segment.Len)
	}
	if d.Frame(Raw, damaged, 1000, 0, 1) != TCP || d.Segment.Len != uint32(1000-20-32) {
		t.Errorf("a frame that was cut: %d octets", d.Segment.Len)
	}
}

func TestICMPErrors(t *testing.T) {
	for _, c := range []struct {
		name      string
		b         []byte
		typ, code uint8
		mtu       uint32
		family    uint8
	}{
		{"unreachable", ip(t, 4, &wire.Message{Type: 3, Code: 13, Body: ip(t, 4, segment())[:28]}), 3, 13, 0, 4},
		{"fragmentation needed", ip(t, 4, &wire.Message{Type: 3, Code: 4, Rest: 1400, Body: ip(t, 4, segment())}), 3, 4, 1400, 4},
		{"time exceeded", ip(t, 4, &wire.Message{Type: 11, Body: ip(t, 4, segment())}), 11, 0, 0, 4},
		{"too big", ip(t, 6, &wire.Message{Type: 2, Rest: 1280, Body: ip(t, 6, segment())}), 2, 0, 1280, 6},
		{"unreachable, extension headers", ip(t, 6, &wire.Message{Type: 1, Code: 4, Body: extended6(ip(t, 6, segment()))}), 1, 4, 0, 6},
	} {
		d := NewDecoder()
		if kind := d.Frame(Raw, c.b, len(c.b), time.Second, 9); kind != ICMP {
			t.Errorf("%s: kind %v, %v", c.name, kind, d.Skipped())
			continue
		}
		e := d.ICMP
		if e.Type != c.typ || e.Code != c.code || e.MTU != c.mtu || e.Family != c.family || e.SrcPort != 4000 || e.DstPort != 80 || e.Seq != 7 || e.Frame != 9 {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	b := ethernet(0x8100, 5, 0x0800, ip(t, 4, segment()))
	d := NewDecoder()
	if n := testing.AllocsPerRun(1000, func() { d.Frame(Ethernet, b, len(b), 0, 1) }); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestPathsAreBounded(t *testing.T) {
	d := NewDecoder()
	inner := ip(t, 4, segment())
	for i := range 3 * maxPaths {
		b := ethernet(0x8847, uint32(i<<12|0x100), inner)
		d.Frame(Ethernet, b, len(b), 0, 1)
	}
	if len(d.paths) != maxPaths || d.PathText(d.Segment.Path) != "others" {
		t.Errorf("%d paths, the last is %q", len(d.paths), d.PathText(d.Segment.Path))
	}
	for i := range 2 * maxWhy {
		d.Frame(Ethernet, ethernet(0x1000+i), 14, 0, 1)
	}
	if n := len(d.Skipped()); n > maxWhy+1 {
		t.Errorf("%d kinds told apart", n)
	}
}

func TestLinkTypeNames(t *testing.T) {
	if Ethernet.String() != "Ethernet" || LinkType(147).String() != "link type 147" || !Cooked.Known() || LinkType(147).Known() {
		t.Error("link types have wrong names")
	}
}

// FuzzFrame: any octets of any link layer, of any length on the wire.
func FuzzFrame(f *testing.F) {
	tcp4, tcp6 := ip(f, 4, segment()), ip(f, 6, segment())
	f.Add(uint16(1), ethernet(0x8100, 5, 0x0800, tcp4), 100)
	f.Add(uint16(276), join(0x86dd, 0, make([]byte, 16), tcp6), 100)
	f.Add(uint16(101), ip(f, 4, udp(4789, uint32(0x08000000), uint32(42<<8), ethernet(0x0800, tcp4))), 0)
	f.Add(uint16(101), ip(f, 4, &wire.Message{Type: 3, Code: 13, Body: tcp4}), 70000)
	f.Add(uint16(105), make([]byte, 40), 40)
	f.Add(uint16(1), ethernet(0x0800, byte(0x45), byte(0), 48, 48, 0x4130, byte(64), byte(48), make([]byte, 12)), 100) // a later fragment
	f.Add(uint16(258), join(byte(12), byte(0), 0, uint32(0), byte(1), byte(0), 0, ethernet(0x894f, byte(0), byte(2), byte(1), byte(3), uint32(0), ethernet(0x0800, tcp4))), 200)
	f.Add(uint16(101), ip(f, 4, udp(1701, 0x4a02, 99, 1, 9, 3, 4, 2, 0, 0xff03, 0x0021, tcp4)), 200)
	f.Add(uint16(101), ip(f, 4, udp(5072, byte(0x41), byte(0x52), byte(0x11), byte(41), uint32(0), make([]byte, 36), tcp6)), 200)
	f.Fuzz(func(t *testing.T, link uint16, b []byte, wire int) {
		d := NewDecoder()
		wire = max(len(b), wire&0xfffff)
		kind := d.Frame(LinkType(link), b, wire, 0, 1)
		d.Fragments() // gives up waiting
		if (kind == None) != (len(d.Skipped()) == 1) {
			t.Fatalf("kind %v, skipped %v", kind, d.Skipped())
		}
		if kind == TCP && int(d.Segment.Len) > wire {
			t.Fatalf("%d octets of data in a frame of %d", d.Segment.Len, wire)
		}
	})
}

// What nearly every packet is, is read by a way of its own: it says the same as
// the way of all others, whatever the octets are.
func TestCommon(t *testing.T) {
	plain := [][]byte{
		ip(t, 4, &wire.Segment{SrcPort: 4000, DstPort: 80, Flags: wire.SYN, Options: wire.Options{wire.MSS(1460), wire.SACK()}}),
		ip(t, 4, &wire.Segment{SrcPort: 80, DstPort: 4000, Flags: wire.ACK, Payload: []byte("hello")}),
		ip(t, 6, &wire.Segment{SrcPort: 80, DstPort: 4000, Flags: wire.ACK, Payload: []byte("hello")}),
	}
	rapid.Check(t, func(t *rapid.T) {
		b := slices.Clone(rapid.SampledFrom(plain).Draw(t, "packet"))
		for range rapid.IntRange(0, 3).Draw(t, "damaged") {
			b[rapid.IntRange(0, min(39, len(b)-1)).Draw(t, "at")] = rapid.Byte().Draw(t, "octet")
		}
		wire := len(b) + rapid.IntRange(-20, 60).Draw(t, "more")
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
		one, other := NewDecoder(), NewDecoder()
		got := one.Frame(Raw, b, wire, 7, 9)
		want := other.Bare([]uint16{5}, b, wire, 7, 9) // a tag takes the other way
		if got != want {
			t.Fatalf("kind %v, and behind a tag %v", got, want)
		}
		if got != TCP {
			return
		}
		one.Segment.Path, other.Segment.Path = 0, 0
		if !reflect.DeepEqual(one.Segment, other.Segment) {
			t.Fatalf("%+v, and behind a tag %+v", one.Segment, other.Segment)
		}
	})
}
