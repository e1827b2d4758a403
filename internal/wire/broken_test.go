package wire_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/dialscope/dialscope/internal/wire"
)

// change returns a copy of a known packet with one octet replaced.
func change(t *testing.T, packet, at int, value byte) []byte {
	b := octets(t, known[packet].octets)
	b[at] = value
	return b
}

const (
	syn4 = 0
	syn6 = 1
	udp4 = 2
	udp6 = 3
)

func TestBroken(t *testing.T) {
	syn := octets(t, known[syn4].octets)
	for _, c := range []struct {
		name  string
		b     []byte
		fault wire.Fault
	}{
		{"nothing", nil, wire.Truncated},
		{"version 5", []byte{0x50}, wire.BadVersion},
		{"half an IPv4 header", syn[:10], wire.Truncated},
		{"half an IPv6 header", octets(t, known[syn6].octets)[:39], wire.Truncated},
		{"header length 4", change(t, syn4, 0, 0x44), wire.BadLength | wire.BadIPChecksum},
		{"header longer than the packet", []byte{0x4f, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8},
			wire.BadLength | wire.Truncated},
		{"total length of 0", change(t, syn4, 3, 0), wire.BadLength | wire.BadIPChecksum},
		{"cut behind the IP header", syn[:40], wire.Truncated},
		{"IP checksum", change(t, syn4, 10, 0), wire.BadIPChecksum},
		{"TCP checksum", change(t, syn4, 36, 0), wire.BadChecksum},
		{"TCP checksum over IPv6", change(t, syn6, 56, 0), wire.BadChecksum},
		{"UDP checksum", change(t, udp4, 26, 0), wire.BadChecksum},
		{"one bit of the data", change(t, udp6, 54, 'e'), wire.BadChecksum},
	} {
		v := wire.Look(c.b)
		if got := v.Verify(); got != c.fault {
			t.Errorf("%s: %v, want %v", c.name, got, c.fault)
		}
		_, err := wire.Parse(c.b)
		var broken *wire.Broken
		if !errors.As(err, &broken) || broken.Fault != c.fault {
			t.Errorf("%s: Parse: %v", c.name, err)
		}
		if s := wire.Summary(c.b); !bytes.HasSuffix([]byte(s), []byte("["+c.fault.String()+"]")) {
			t.Errorf("%s: summary %q does not say it", c.name, s)
		}
	}
}

// The transport's own faults, with every checksum right.
func TestBrokenTransport(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []byte // TCP
		fault  wire.Fault
	}{
		{"data offset 4", tcp(4), wire.BadLength},
		{"data offset beyond the segment", tcp(6), wire.Truncated},
		{"half a header", tcp(5)[:12], wire.Truncated},
		{"option of length 0", append(tcp(6), 2, 0, 0, 0), wire.BadOptions},
		{"option of length 1", append(tcp(6), 8, 1, 0, 0), wire.BadOptions},
		{"option that does not fit", append(tcp(6), 2, 20, 0, 0), wire.BadOptions},
		{"option without its length", append(tcp(6), 1, 1, 1, 2), wire.BadOptions},
	} {
		if sum := 16; len(c.header) > sum+1 {
			n := wire.TransportChecksum(client4, host4, wire.TCP, c.header)
			c.header[sum], c.header[sum+1] = byte(n>>8), byte(n)
		} else { // put what makes the sum right into the ports
			n := wire.TransportChecksum(client4, host4, wire.TCP, c.header)
			c.header[0], c.header[1] = byte(n>>8), byte(n)
		}
		p := wire.Packet{
			IP:        wire.IP{Src: client4, Dst: host4, TTL: 1},
			Transport: &wire.Other{Protocol: wire.TCP, Payload: c.header},
		}
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if f := wire.Look(b).Verify(); f != 0 {
			t.Errorf("%s: IP view: %v", c.name, f)
		}
		_, err = wire.Parse(b)
		var broken *wire.Broken
		if !errors.As(err, &broken) || broken.Fault != c.fault {
			t.Errorf("%s: Parse: %v, want %v", c.name, err, c.fault)
		}
	}
}

func tcp(dataOffset byte) []byte {
	h := make([]byte, 20)
	h[12], h[13] = dataOffset<<4, byte(wire.SYN)
	return h
}

// Options before the one that does not fit are shown.
func TestOptionsBeforeTheFault(t *testing.T) {
	got, err := wire.ParseOptions([]byte{2, 4, 5, 0xb4, 1, 3, 9})
	if err == nil || got.String() != "mss 1460,nop" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = wire.ParseOptions([]byte{4, 2, 0, 2, 0, 0}) // nothing follows the end of the list
	if err != nil || got.String() != "sackOK" {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []wire.Options{
		{{Kind: wire.MaxSegmentSize, Data: []byte{1}}}, {{Kind: wire.WindowScale}}, {{Kind: wire.TimestampOption, Data: make([]byte, 7)}},
	} {
		if _, ok := wrong.MSS(); ok {
			t.Errorf("%v has an MSS", wrong)
		}
		if _, ok := wrong.WindowScale(); ok {
			t.Errorf("%v has a window scale", wrong)
		}
		if _, _, ok := wrong.Timestamps(); ok {
			t.Errorf("%v has timestamps", wrong)
		}
	}
}

func TestFragments(t *testing.T) {
	// An IPv4 fragment at 1480 octets: its first octets are no TCP header.
	later := change(t, syn4, 7, 185)
	if v := wire.Look(later); v.FragmentOffset != 1480 || v.Fault != wire.LaterFragment {
		t.Errorf("%d, %v", v.FragmentOffset, v.Fault)
	}
	// RFC 8200 §4.5: next header 6, offset 0, more fragments, identification 7.
	syn := octets(t, known[syn6].octets)
	first := slices.Concat(syn[:40], []byte{6, 0, 0, 1, 0, 0, 0, 7}, syn[40:])
	first[6], first[5] = 44, first[5]+8
	v := wire.Look(first)
	if v.Protocol != wire.TCP || !v.MoreFragments || v.ID != 7 || v.Fault != 0 || len(v.Header) != 48 {
		t.Errorf("%+v", v)
	}
	if v.Verify() != 0 {
		t.Error("the checksum of the whole was asked of a fragment")
	}
	if _, err := wire.Parse(first); err == nil {
		t.Error("Parse took a fragment")
	}
}

func TestExtensionHeaders(t *testing.T) {
	syn := octets(t, known[syn6].octets)
	options := []byte{60, 0, 1, 4, 0, 0, 0, 0}                             // hop-by-hop
	destination := []byte{6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // destination options, 16 octets
	b := slices.Concat(syn[:40], options, destination, syn[40:])
	b[6], b[5] = 0, b[5]+24
	v := wire.Look(b)
	if v.Protocol != wire.TCP || v.Verify() != 0 || len(v.Payload) != 40 {
		t.Errorf("%v, %v, %d octets", v.Protocol, v.Verify(), len(v.Payload))
	}
	b[41] = 200
	if v := wire.Look(b); v.Fault != wire.Truncated {
		t.Errorf("an extension header beyond the packet: %v", v.Fault)
	}
}
