package wire_test

import (
	"net/netip"
	"testing"

	"github.com/dialscope/dialscope/internal/wire"
)

func TestSummary(t *testing.T) {
	router := netip.MustParseAddr("198.51.100.1")
	syn := octets(t, known[syn4].octets)
	for _, c := range []struct {
		want string
		p    wire.Packet
	}{
		{
			"IP 198.51.100.1 > 192.0.2.2: ICMP host-unreachable, quoting TCP 192.0.2.2 > 192.0.2.1 ports 49718 > 80 seq 2218103024",
			wire.Packet{IP: wire.IP{Src: router, Dst: client4}, Transport: &wire.Message{Type: 3, Code: 1, Body: syn[:28]}},
		},
		{
			"IP 198.51.100.1 > 192.0.2.2: ICMP fragmentation-needed, mtu 1300",
			wire.Packet{IP: wire.IP{Src: router, Dst: client4}, Transport: &wire.Message{Type: 3, Code: 4, Rest: 1300}},
		},
		{
			"IP6 2001:db8::1 > 2001:db8::2: ICMP6 packet-too-big, mtu 1280",
			wire.Packet{IP: wire.IP{Src: host6, Dst: client6}, Transport: &wire.Message{Type: 2, Rest: 1280}},
		},
		{
			"IP 192.0.2.1 > 192.0.2.2: ICMP echo-reply, id 7, seq 2, length 3",
			wire.Packet{IP: wire.IP{Src: host4, Dst: client4}, Transport: &wire.Message{Rest: 7<<16 | 2, Body: []byte("abc")}},
		},
		{
			"IP 192.0.2.1 > 192.0.2.2: ICMP type 3 code 99",
			wire.Packet{IP: wire.IP{Src: host4, Dst: client4}, Transport: &wire.Message{Type: 3, Code: 99}},
		},
		{
			"IP 192.0.2.1.80 > 192.0.2.2.1024: Flags [P.U], seq 5:9, ack 6, win 1, urg 2, options [tfo cookie c0ffee00,md5 00ff,opt-253:f00d,opt-77], length 4",
			wire.Packet{IP: wire.IP{Src: host4, Dst: client4}, Transport: &wire.Segment{
				SrcPort: 80, DstPort: 1024, Seq: 5, Ack: 6, Window: 1, Urgent: 2,
				Flags: wire.ACK | wire.PSH | wire.URG, Payload: []byte("data"),
				Options: wire.Options{
					{Kind: wire.FastOpen, Data: []byte{0xc0, 0xff, 0xee, 0}}, {Kind: wire.MD5Signature, Data: []byte{0, 0xff}},
					{Kind: 253, Data: []byte{0xf0, 0x0d}}, {Kind: 77},
				},
			}},
		},
		{
			"IP 192.0.2.1.0 > 192.0.2.2.0: Flags [none], seq 0, win 0, length 0",
			wire.Packet{IP: wire.IP{Src: host4, Dst: client4}, Transport: &wire.Segment{}},
		},
		{
			"IP 192.0.2.1 > 192.0.2.2: protocol 132, length 2",
			wire.Packet{IP: wire.IP{Src: host4, Dst: client4}, Transport: &wire.Other{Protocol: 132, Payload: []byte{1, 2}}},
		},
	} {
		b, err := c.p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got := wire.Summary(b); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

func TestFlagNames(t *testing.T) {
	for text, want := range map[string]wire.Flags{
		"SYN": wire.SYN, "SYN+ACK": wire.SYN | wire.ACK, "ACK+SYN": wire.SYN | wire.ACK, "NONE": 0,
		"SYN+ECE+CWR": wire.SYN | wire.ECE | wire.CWR, "RST+PSH+URG+FIN+AE": wire.RST | wire.PSH | wire.URG | wire.FIN | wire.AE,
	} {
		if got, ok := wire.ParseFlags(text); !ok || got != want {
			t.Errorf("%s: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "syn", "SYN+", "+ACK", "SYN ACK", "NONE+SYN"} {
		if f, ok := wire.ParseFlags(text); ok {
			t.Errorf("%q is %v", text, f)
		}
	}
}

// A name means the same message both ways, where it has one.
func TestICMPNames(t *testing.T) {
	for _, p := range []wire.Protocol{wire.ICMPv4, wire.ICMPv6} {
		for typ := range 256 {
			for code := range 20 {
				name := wire.ICMPName(p, uint8(typ), uint8(code))
				gotType, gotCode, ok := wire.ICMPNumber(p, name)
				if ok && (int(gotType) != typ || int(gotCode) != code) {
					t.Errorf("%v %d/%d is %s, which is %d/%d", p, typ, code, name, gotType, gotCode)
				}
			}
		}
	}
	for _, name := range []string{"host-unreachable", "port-unreachable", "time-exceeded", "admin-prohibited", "fragmentation-needed"} {
		_, _, is4 := wire.ICMPNumber(wire.ICMPv4, name)
		_, _, is6 := wire.ICMPNumber(wire.ICMPv6, name)
		if !is4 || !is6 {
			t.Errorf("%s: IPv4 %v, IPv6 %v", name, is4, is6)
		}
	}
}
