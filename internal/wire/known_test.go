package wire_test

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dialscope/dialscope/internal/wire"
)

var (
	client4, host4 = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.1")
	client6, host6 = netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::1")
)

// known are packets that Linux 6.18 sent, and what they are.
var known = []struct {
	name, octets, summary string
	value                 wire.Packet
}{
	{
		"SYN",
		"4500003cce7c40004006e83bc0000202c0000201c2360050843590f000000000a002faf01a1e0000020405b40402080a40e49659000000000103030a",
		"IP 192.0.2.2.49718 > 192.0.2.1.80: Flags [S], seq 2218103024, win 64240, options [mss 1460,sackOK,TS val 1088722521 ecr 0,nop,wscale 10], length 0",
		wire.Packet{
			IP: wire.IP{Src: client4, Dst: host4, TTL: 64, ID: 0xce7c, DontFragment: true},
			Transport: &wire.Segment{
				SrcPort: 49718, DstPort: 80, Seq: 2218103024, Flags: wire.SYN, Window: 64240,
				Options: wire.Options{wire.MSS(1460), wire.SACK(), wire.Timestamps(1088722521, 0), wire.NOP(), wire.WScale(10)},
			},
		},
	},
	{
		"SYN over IPv6",
		"600d357c0028064020010db800000000000000000000000220010db8000000000000000000000001ed6c0050bd1aa21600000000a002fd20c44a0000020405a00402080a8a5753eb000000000103030a",
		"IP6 2001:db8::2.60780 > 2001:db8::1.80: Flags [S], seq 3172639254, win 64800, options [mss 1440,sackOK,TS val 2320978923 ecr 0,nop,wscale 10], length 0",
		wire.Packet{
			IP: wire.IP{Src: client6, Dst: host6, TTL: 64, FlowLabel: 0xd357c},
			Transport: &wire.Segment{
				SrcPort: 60780, DstPort: 80, Seq: 3172639254, Flags: wire.SYN, Window: 64800,
				Options: wire.Options{wire.MSS(1440), wire.SACK(), wire.Timestamps(2320978923, 0), wire.NOP(), wire.WScale(10)},
			},
		},
	},
	{
		"datagram",
		"45000023cd3840004011e98dc0000202c00002019a630009000f442064697363617264",
		"IP 192.0.2.2.39523 > 192.0.2.1.9: UDP, length 7",
		wire.Packet{
			IP:        wire.IP{Src: client4, Dst: host4, TTL: 64, ID: 0xcd38, DontFragment: true},
			Transport: &wire.Datagram{SrcPort: 39523, DstPort: 9, Payload: []byte("discard")},
		},
	},
	{
		"datagram over IPv6",
		"6003e3e8000f114020010db800000000000000000000000220010db8000000000000000000000001a64f0009000f60c364697363617264",
		"IP6 2001:db8::2.42575 > 2001:db8::1.9: UDP, length 7",
		wire.Packet{
			IP:        wire.IP{Src: client6, Dst: host6, TTL: 64, FlowLabel: 0x3e3e8},
			Transport: &wire.Datagram{SrcPort: 42575, DstPort: 9, Payload: []byte("discard")},
		},
	},
}

// equal compares packets.
var equal = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKnownPackets(t *testing.T) {
	for _, k := range known {
		b := octets(t, k.octets)
		if f := wire.Look(b).Verify(); f != 0 {
			t.Errorf("%s: %v", k.name, f)
		}
		got, err := wire.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if d := cmp.Diff(&k.value, got, equal); d != "" {
			t.Errorf("%s: (-want +got)\n%s", k.name, d)
		}
		again, err := got.Marshal()
		if err != nil || hex.EncodeToString(again) != k.octets {
			t.Errorf("%s: built again as %x, %v", k.name, again, err)
		}
		if s := wire.Summary(b); s != k.summary {
			t.Errorf("%s: %s, want %s", k.name, s, k.summary)
		}
	}
}

// RFC 1071 §3: 0001 f203 f4f5 f6f7 add up to ddf2.
func TestChecksum(t *testing.T) {
	example := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := ^wire.Checksum(example); got != 0xddf2 {
		t.Errorf("sum %#x, want 0xddf2", got)
	}
	if got := wire.Checksum(nil); got != 0xffff {
		t.Errorf("of nothing: %#x", got)
	}
	// "the last byte is padded with zero": RFC 1071 §1 (the [Z,0] of an odd count).
	if a, b := wire.Checksum(example[:7]), wire.Checksum([]byte{0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0}); a != b {
		t.Errorf("odd count: %#x, padded: %#x", a, b)
	}
}

// What ICMP errors quote: the first 8 octets at least.
func TestParseQuotedTCP(t *testing.T) {
	b := octets(t, known[0].octets)[20:]
	want := wire.QuotedTCP{SrcPort: 49718, DstPort: 80, Seq: 2218103024}
	if got, ok := wire.ParseQuotedTCP(b[:8]); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := wire.ParseQuotedTCP(b[:7]); ok {
		t.Error("7 octets were enough")
	}
	v := wire.LookTCP(b[:8])
	if v.Fault != wire.Truncated || v.SrcPort != 49718 || v.DstPort != 80 || v.Seq != 2218103024 || v.Flags != 0 {
		t.Errorf("%+v", v)
	}
}
