package peer_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/wire"
)

func ttl(p wire.Packet, n uint8) wire.Packet {
	p.TTL = n
	return p
}

func wantFrom(t *testing.T, ip wire.IP, src string, ttl uint8) {
	t.Helper()
	if ip.Src != netip.MustParseAddr(src) || ip.TTL != ttl {
		t.Errorf("from %v with TTL %d, want %s with %d", ip.Src, ip.TTL, src, ttl)
	}
}

// quoting is the ICMP error about a packet that arrived with some TTL.
func quoting(t *testing.T, p wire.Packet, typ, code, ttl uint8, octets int) *wire.Message {
	t.Helper()
	p.TTL = ttl
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if octets > 0 {
		b = b[:octets]
	}
	return &wire.Message{Type: typ, Code: code, Body: b}
}

// Two routers answer probes whose TTL ends there, and take one from the TTL of
// all that passes.
func TestHops(t *testing.T) {
	played(t, `
		router 198.51.100.1 2001:db8:1::1
		router 198.51.100.2 2001:db8:1::2 ttl 64
		host 203.0.113.1 2001:db8:3::1 ttl 128
		on SYN send SYN+ACK
	`, func(k *kernel) {
		probe := syn("203.0.113.1")
		k.send(ttl(probe, 1))
		wantFrom(t, k.want(quoting(t, probe, 11, 0, 1, 0)), "198.51.100.1", 255)
		k.send(ttl(probe, 2))
		wantFrom(t, k.want(quoting(t, probe, 11, 0, 1, 0)), "198.51.100.2", 63)
		k.send(ttl(probe, 3))
		wantFrom(t, k.want(segment(wire.SYN|wire.ACK, iss, isn+1, "")), "203.0.113.1", 126)

		probe = syn("2001:db8:3::1")
		k.send(ttl(probe, 2))
		wantFrom(t, k.want(quoting(t, probe, 3, 0, 1, 0)), "2001:db8:1::2", 63)
		// A router is a host to those that ask for itself.
		k.send(ttl(syn("198.51.100.2"), 2))
		wantFrom(t, k.want(segment(wire.SYN|wire.ACK, 2*iss, isn+1, "")), "198.51.100.2", 63)
		// RFC 1122 §3.2.2: no ICMP error about an ICMP error.
		k.send(ttl(wire.Packet{IP: from("203.0.113.1"), Transport: quoting(t, probe, 3, 3, 1, 0)}, 1))
		k.quiet()
	})
}

func TestRouterThatSaysLittle(t *testing.T) {
	played(t, `
		router 198.51.100.1 silent
		router 198.51.100.2 rate 1/s
		router 198.51.100.3 mtu 1000
		router 198.51.100.4
		host 203.0.113.1
		on tcp longer 900 at 198.51.100.4 drop
		on SYN send RST+ACK
	`, func(k *kernel) {
		probe := syn("203.0.113.1")
		k.send(ttl(probe, 1))
		k.quiet()
		for _, wait := range []time.Duration{0, 500 * ms, 500 * ms, 10 * time.Second, 0} {
			k.pass(wait)
			k.send(ttl(probe, 2))
		}
		for range 3 { // the second came too soon, and so did the last
			k.want(quoting(t, probe, 11, 0, 1, 0))
		}
		k.quiet()

		large := tcp("203.0.113.1", wire.ACK, isn, 0, string(make([]byte, 961)))
		k.send(large)
		want := quoting(t, large, 3, 4, 62, 548) // RFC 1812 §4.3.2.3: 576 octets in all
		want.Rest = 1000
		k.want(want)
		k.send(tcp("203.0.113.1", wire.SYN, isn, 0, string(make([]byte, 900))))
		k.quiet()
		k.send(ttl(probe, 5))
		k.want(segment(wire.RST|wire.ACK, 0, isn+1, ""))
	})
}

// A firewall on the way drops, resets in the host's name, or says so; it still
// answers probes that end there.
func TestRouterInTheWay(t *testing.T) {
	played(t, `
		router 198.51.100.1
		router 198.51.100.2
		host 203.0.113.1 ttl 128
		on SYN port 81 at 198.51.100.2 drop
		on SYN port 82 at 198.51.100.2 send RST+ACK
		on SYN port 83 at 198.51.100.2 send icmp admin-prohibited quote 8
		on SYN port 84 at 198.51.100.2 forward
		on any at 198.51.100.2 first 1 drop
		on SYN send SYN+ACK
	`, func(k *kernel) {
		to := func(port uint16) wire.Packet {
			p := syn("203.0.113.1")
			p.Transport.(*wire.Segment).DstPort = port
			return p
		}
		k.send(to(81))
		k.quiet()
		k.send(ttl(to(81), 2))
		k.want(quoting(t, to(81), 11, 0, 1, 0))
		k.send(to(82))
		s := segment(wire.RST|wire.ACK, 0, isn+1, "")
		s.SrcPort = 82
		wantFrom(t, k.want(s), "203.0.113.1", 254) // the router's own initial TTL, one hop away
		k.send(to(83))
		wantFrom(t, k.want(quoting(t, to(83), 3, 13, 63, 28)), "198.51.100.2", 254)
		k.send(to(84))
		if p, _ := k.next(); p.TTL != 126 {
			t.Errorf("TTL %d", p.TTL)
		}
		k.send(to(80))
		k.quiet()
		k.send(to(80))
		k.next()
	})
}

func TestForgery(t *testing.T) {
	played(t, `
		router 198.51.100.1
		router 198.51.100.2
		host 203.0.113.1
		expect SYN
		send icmp host-unreachable from 198.51.100.2
		send icmp host-unreachable from 192.0.2.99 hop 1 ttl 7
		send icmp port-unreachable quote port 9 quote seq +5 quote client-port 8 quote to 192.0.2.3
		send SYN+ACK ttl 250 hop 2 ipid 99 tos 3 from 203.0.113.9
		send SYN+ACK ttl 2
		send SYN+ACK ttl 3 may-fragment
		end
	`, func(k *kernel) {
		probe := syn("203.0.113.1")
		k.send(probe)
		wantFrom(t, k.want(quoting(t, probe, 3, 1, 63, 0)), "198.51.100.2", 254)
		wantFrom(t, k.want(quoting(t, probe, 3, 1, 64, 0)), "192.0.2.99", 7)

		p, _ := k.next()
		v := wire.Look(p.Transport.(*wire.Message).Body)
		q, _ := wire.ParseQuotedTCP(v.Payload)
		if (q != wire.QuotedTCP{SrcPort: 8, DstPort: 9, Seq: isn + 5}) || v.Dst.String() != "192.0.2.3" ||
			wire.Checksum(v.Header) != 0 {
			t.Errorf("quoted %+v to %v", q, v.Dst)
		}
		got := k.want(segment(wire.SYN|wire.ACK, iss, isn+1, ""))
		want := wire.IP{Src: netip.MustParseAddr("203.0.113.9"), Dst: kernel4, TTL: 249, ID: 99, TOS: 3, DontFragment: true}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		if ip := k.want(segment(wire.SYN|wire.ACK, iss, isn+1, "")); ip.TTL != 1 || ip.DontFragment { // that with TTL 2 ended on the way
			t.Errorf("%+v", ip)
		}
		k.quiet()
	})
}

func TestRules(t *testing.T) {
	played(t, `
		host 192.0.2.1 ipid count
		host 192.0.2.3 ipid zero ttl 255
		host 192.0.2.4 ipid 77 rtt 40ms
		on SYN+ECE+CWR ignore
		on SYN option mptcp drop
		on SYN port 80 to 192.0.2.1 first 1 {
			send SYN+ACK
			after 1s send data "one"
			after 1s send data "two"
		}
		on SYN port 80 to 192.0.2.1 rate 2/s send RST+ACK
		on SYN send RST+ACK
		on echo send echo-reply
		on udp send icmp port-unreachable
	`, func(k *kernel) {
		ecn := syn("192.0.2.1")
		ecn.Transport.(*wire.Segment).Flags |= wire.ECE | wire.CWR
		k.send(ecn)
		mptcp := syn("192.0.2.1")
		mptcp.Transport.(*wire.Segment).Options = wire.Options{{Kind: wire.Multipath, Data: []byte{0, 0}}}
		k.send(mptcp)
		k.quiet()

		k.send(syn("192.0.2.1"))
		if ip := k.want(segment(wire.SYN|wire.ACK, iss, isn+1, "")); ip.ID != 1 {
			t.Errorf("identification %d", ip.ID)
		}
		for range 3 {
			k.send(tcp("192.0.2.1", wire.SYN, isn+50, 0, ""))
		}
		k.next()
		k.next() // of three, two in a second
		k.quiet()
		k.pass(2 * time.Second)
		for i := range 2 {
			p, at := k.next()
			if s := p.Transport.(*wire.Segment); at.Round(time.Second) != time.Duration(i+1)*time.Second || len(s.Payload) != 3 {
				t.Errorf("%v: %+v", at, s)
			}
		}
		k.send(syn("192.0.2.3"))
		if ip := k.want(segment(wire.RST|wire.ACK, 0, isn+1, "")); ip.ID != 0 || ip.TTL != 255 {
			t.Errorf("%+v", ip)
		}
		ping := wire.Packet{IP: from("192.0.2.4"), Transport: &wire.Message{Type: 8, Rest: 5<<16 | 1, Body: []byte("ping")}}
		k.send(ping)
		k.quiet()
		k.pass(40 * ms)
		if ip := k.want(&wire.Message{Rest: 5<<16 | 1, Body: []byte("ping")}); ip.ID != 77 {
			t.Errorf("identification %d", ip.ID)
		}
		asked := wire.Packet{IP: from("192.0.2.1"), Transport: &wire.Datagram{SrcPort: 1, DstPort: 53, Payload: []byte("?")}}
		k.send(asked)
		k.want(quoting(t, asked, 3, 3, 64, 0))
	})
}

func TestDatagramsAndRaw(t *testing.T) {
	played(t, `
		host 192.0.2.1 2001:db8::1
		expect udp port 53 len 3
		send udp data hex 00ff
		send raw 45deadbeef
		expect echo to 2001:db8::1
		send echo-reply
		expect icmp port-unreachable
	`, func(k *kernel) {
		k.send(wire.Packet{IP: from("192.0.2.1"), Transport: &wire.Datagram{SrcPort: 9, DstPort: 53, Payload: []byte("abc")}})
		k.want(&wire.Datagram{SrcPort: 53, DstPort: 9, Payload: []byte{0, 0xff}})
		if d, ok := k.take(); !ok || string(d.raw) != "\x45\xde\xad\xbe\xef" {
			t.Errorf("%x", d.raw)
		}
		k.send(wire.Packet{IP: from("2001:db8::1"), Transport: &wire.Message{Type: 128, Rest: 3, Body: []byte("six")}})
		k.want(&wire.Message{Type: 129, Rest: 3, Body: []byte("six")})
		k.send(wire.Packet{IP: from("2001:db8::1"), Transport: &wire.Message{Type: 1, Code: 4}})
	})
}
