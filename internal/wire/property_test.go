package wire_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/internal/wire"
)

// What is built can be read, and is what was built.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := packet(t)
		b, err := want.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Parse(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if d := cmp.Diff(want, got, equal); d != "" {
			t.Fatalf("(-want +got)\n%s", d)
		}
	})
}

// Any one bit that is turned over is noticed, but for those that say how many
// octets a checksum is over, and an IPv6 header's, which has none of its own.
func TestOneBitIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := packet(t)
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		transport := len(wire.Look(b).Header)
		first := 1
		if p.Src.Is6() {
			first = transport
		}
		at := rapid.IntRange(first, len(b)-1).Draw(t, "octet")
		_, isUDP := p.Transport.(*wire.Datagram)
		if isUDP && (at == transport+4 || at == transport+5) {
			return
		}
		bit := rapid.IntRange(0, 7).Draw(t, "bit")
		b[at] ^= 1 << bit
		if v := wire.Look(b); isUDP && v.Version == 4 && wire.LookUDP(v.Payload).Checksum == 0 {
			return // RFC 768: there is none
		}
		if _, err := wire.Parse(b); err == nil {
			t.Fatalf("bit %d of octet %d of %x is not noticed", bit, at, b)
		}
	})
}

func packet(t *rapid.T) *wire.Packet {
	p := &wire.Packet{IP: wire.IP{TTL: rapid.Byte().Draw(t, "ttl"), TOS: rapid.Byte().Draw(t, "tos")}}
	if rapid.Bool().Draw(t, "IPv4") {
		p.Src, p.Dst = addr4(t), addr4(t)
		p.ID, p.DontFragment = rapid.Uint16().Draw(t, "id"), rapid.Bool().Draw(t, "df")
		p.Options = make([]byte, 4*rapid.IntRange(0, 10).Draw(t, "IP options"))
	} else {
		p.Src, p.Dst = addr6(t), addr6(t)
		p.FlowLabel = rapid.Uint32Range(0, 0xfffff).Draw(t, "flow")
	}
	port := rapid.Uint16()
	payload := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "payload")
	switch rapid.IntRange(0, 2).Draw(t, "transport") {
	case 0:
		p.Transport = &wire.Segment{
			SrcPort: port.Draw(t, "src"), DstPort: port.Draw(t, "dst"),
			Seq: rapid.Uint32().Draw(t, "seq"), Ack: rapid.Uint32().Draw(t, "ack"),
			Flags: wire.Flags(rapid.Uint16Range(0, 0x1ff).Draw(t, "flags")), Window: port.Draw(t, "window"),
			Urgent: port.Draw(t, "urgent"), Options: options(t), Payload: payload,
		}
	case 1:
		p.Transport = &wire.Datagram{SrcPort: port.Draw(t, "src"), DstPort: port.Draw(t, "dst"), Payload: payload}
	case 2:
		p.Transport = &wire.Message{
			Type: rapid.Byte().Draw(t, "type"), Code: rapid.Byte().Draw(t, "code"), Rest: rapid.Uint32().Draw(t, "rest"), Body: payload,
		}
	}
	return p
}

func addr4(t *rapid.T) netip.Addr {
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")))
}

func addr6(t *rapid.T) netip.Addr {
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")))
}

// options fit into a header: kinds from 2 on, since the end of the list is not
// one of them.
func options(t *rapid.T) wire.Options {
	var all wire.Options
	room := 40
	for range rapid.IntRange(0, 5).Draw(t, "options") {
		o := wire.Option{
			Kind: wire.OptionKind(rapid.ByteRange(1, 255).Draw(t, "kind")),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "data"),
		}
		if o.Kind == wire.NoOperation {
			o.Data = nil
		}
		if room -= 2 + len(o.Data); room < 0 {
			break
		}
		all = append(all, o)
	}
	return all
}

func TestMarshalRefuses(t *testing.T) {
	long := make([]byte, 0x10000)
	ip4, ip6 := wire.IP{Src: client4, Dst: host4}, wire.IP{Src: client6, Dst: host6}
	for name, p := range map[string]wire.Packet{
		"two families":       {IP: wire.IP{Src: client4, Dst: host6}, Transport: &wire.Segment{}},
		"no addresses":       {Transport: &wire.Segment{}},
		"no transport":       {IP: ip4},
		"too many options":   {IP: ip4, Transport: &wire.Segment{Options: wire.Options{{Kind: 253, Data: make([]byte, 39)}}}},
		"a long segment":     {IP: ip4, Transport: &wire.Segment{Payload: long}},
		"a long payload":     {IP: ip6, Transport: &wire.Segment{Payload: long}},
		"a long datagram":    {IP: ip6, Transport: &wire.Datagram{Payload: long}},
		"odd IPv4 options":   {IP: wire.IP{Src: client4, Dst: host4, Options: []byte{1}}, Transport: &wire.Segment{}},
		"44 IP option bytes": {IP: wire.IP{Src: client4, Dst: host4, Options: make([]byte, 44)}, Transport: &wire.Segment{}},
	} {
		begin := []byte("kept")
		b, err := p.Append(begin)
		if err == nil || string(b) != "kept" {
			t.Errorf("%s: %d octets, %v", name, len(b), err)
		}
	}
}
