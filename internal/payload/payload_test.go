package payload

import (
	"bufio"
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// largest is what fits into one packet on any IPv6 path: 1280 less the headers
// of IPv6 and UDP (RFC 8200 §5).
const largest = 1280 - 40 - 8

func TestTable(t *testing.T) {
	names, ports := map[string]bool{}, map[uint16]string{}
	for _, p := range All() {
		if names[p.Name] || p.Name != strings.ToLower(p.Name) || strings.ContainsAny(p.Name, " :") {
			t.Errorf("%s: the name is taken, or no word", p.Name)
		}
		names[p.Name] = true
		if p.Service == "" || p.Reference == "" || (p.Data == nil) == (p.Silence == "" || p.Asks != "") {
			t.Errorf("%s: %+v", p.Name, p)
		}
		for _, text := range []string{p.Asks, p.Silence} {
			if strings.HasSuffix(text, ".") || text != strings.TrimSpace(text) {
				t.Errorf("%s: %q stands within a sentence", p.Name, text)
			}
		}
		if len(p.Data) > largest {
			t.Errorf("%s: %d octets do not fit every path", p.Name, len(p.Data))
		}
		if p.Datagram() == nil {
			t.Errorf("%s: a nil datagram is none", p.Name)
		}
		for _, port := range p.Ports {
			if before := ports[port]; before != "" || port == 0 {
				t.Errorf("port %d: %s and %s", port, before, p.Name)
			}
			ports[port] = p.Name
			if got := For(port); got.Name != p.Name || !bytes.Equal(got.Data, p.Data) {
				t.Errorf("port %d: %+v", port, got)
			}
		}
		if got, ok := Named(strings.ToUpper(p.Name)); !ok || got.Name != p.Name {
			t.Errorf("%s is not found", p.Name)
		}
	}
	if got := Names(); len(got) != len(names) || got[0] != "empty" {
		t.Errorf("%v", got)
	}
	for _, port := range []uint16{0, 1, 65535} {
		if got := For(port); got.Name != "empty" || len(got.Data) != 0 {
			t.Errorf("port %d: %+v", port, got)
		}
	}
	if _, ok := Named("nothing of the kind"); ok {
		t.Error("found")
	}
}

// The table is never the caller's.
func TestTableStays(t *testing.T) {
	p := For(53)
	p.Data[0], p.Ports[0] = 0xff, 1
	All()[3].Ports = nil
	if again := For(53); again.Data[0] == 0xff || again.Ports[0] != 53 {
		t.Error("changed")
	}
}

func data(t *testing.T, name string) []byte {
	t.Helper()
	p, ok := Named(name)
	if !ok {
		t.Fatal(name)
	}
	return p.Data
}

// RFC 1035 §4.1: each is one question.
func TestDNS(t *testing.T) {
	for name, want := range map[string]dnsmessage.Question{
		"dns":  {Name: dnsmessage.MustNewName("."), Type: dnsmessage.TypeNS, Class: dnsmessage.ClassINET},
		"mdns": {Name: dnsmessage.MustNewName("_services._dns-sd._udp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET},
	} {
		var m dnsmessage.Message
		if err := m.Unpack(data(t, name)); err != nil || len(m.Questions) != 1 || m.Questions[0] != want || m.Response {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if m.RecursionDesired != (name == "dns") { // RFC 6762 §18.6: none in mDNS
			t.Errorf("%s: RD %v", name, m.RecursionDesired)
		}
	}
	b := data(t, "netbios-ns") // RFC 1002 §4.1: a name of 32 octets, type NBSTAT
	if len(b) != 12+34+4 || b[12] != 32 || binary.BigEndian.Uint16(b[46:]) != 0x21 {
		t.Errorf("%x", b)
	}
}

// RFC 5905 §7.3: 48 octets; version 4, mode 3 in the first.
func TestNTP(t *testing.T) {
	if b := data(t, "ntp"); len(b) != 48 || b[0]>>6 != 0 || b[0]>>3&7 != 4 || b[0]&7 != 3 {
		t.Errorf("%x", b)
	}
}

// Whole and correct in their lengths: BER that a decoder takes to the last octet.
func TestBER(t *testing.T) {
	for _, name := range []string{"snmp", "snmp-public", "cldap"} {
		var whole asn1.RawValue
		rest, err := asn1.Unmarshal(data(t, name), &whole)
		if err != nil || len(rest) != 0 {
			t.Errorf("%s: %v, %d octets behind", name, err, len(rest))
		}
		var walk func(b []byte)
		walk = func(b []byte) {
			for len(b) > 0 {
				var v asn1.RawValue
				if b, err = asn1.Unmarshal(b, &v); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if v.IsCompound {
					walk(v.Bytes)
				}
			}
		}
		walk(whole.Bytes)
	}
	var v1 struct {
		Version   int
		Community []byte
		PDU       asn1.RawValue
	}
	if _, err := asn1.Unmarshal(data(t, "snmp-public"), &v1); err != nil || v1.Version != 0 || string(v1.Community) != "public" || v1.PDU.Tag != 0 {
		t.Errorf("%+v, %v", v1, err)
	}
	var v3 struct {
		Version int
		Global  struct {
			ID, MaxSize int
			Flags       []byte
			Model       int
		}
		Security []byte
		PDU      asn1.RawValue
	}
	if _, err := asn1.Unmarshal(data(t, "snmp"), &v3); err != nil || v3.Version != 3 || v3.Global.MaxSize != 65507 || v3.Global.Flags[0] != 4 || v3.Global.Model != 3 {
		t.Errorf("%+v, %v", v3, err)
	}
	var security asn1.RawValue
	if rest, err := asn1.Unmarshal(v3.Security, &security); err != nil || len(rest) != 0 {
		t.Errorf("%v", err)
	}
}

// RFC 9000 §14.1: at least 1200 octets; §15: a version 0x?a?a?a?a.
func TestQUIC(t *testing.T) {
	b := data(t, "quic")
	if len(b) != 1200 || b[0]&0x80 == 0 || b[0]&0x40 == 0 || binary.BigEndian.Uint32(b[1:])&0x0f0f0f0f != 0x0a0a0a0a || b[5] < 8 {
		t.Errorf("%d octets, %x", len(b), b[:24])
	}
}

// RFC 8489 §5: length 0, the magic cookie, 96 bits of transaction.
func TestSTUN(t *testing.T) {
	if b := data(t, "stun"); len(b) != 20 || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != 0 || binary.BigEndian.Uint32(b[4:]) != 0x2112a442 {
		t.Errorf("%x", b)
	}
}

// RFC 7296 §3: the lengths of the header and of each payload fit together.
func TestIKE(t *testing.T) {
	b := data(t, "ike")
	if int(binary.BigEndian.Uint32(b[24:])) != len(b) || b[17] != 0x20 || b[18] != 34 || b[19] != 8 {
		t.Fatalf("%x", b[:28])
	}
	var kinds []byte
	next, rest := b[16], b[28:]
	for next != 0 {
		kinds = append(kinds, next)
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if next == 33 && int(binary.BigEndian.Uint16(rest[6:])) != n-4 {
			t.Errorf("a proposal of %d octets in %d", binary.BigEndian.Uint16(rest[6:]), n)
		}
		if next == 34 && (n != 4+4+256 || binary.BigEndian.Uint16(rest[4:]) != 14) {
			t.Errorf("a key exchange of %d octets", n)
		}
		next, rest = rest[0], rest[n:]
	}
	if !slices.Equal(kinds, []byte{33, 34, 40}) || len(rest) != 0 {
		t.Errorf("payloads %v, %d octets behind", kinds, len(rest))
	}
	if nat := data(t, "ike-nat"); !bytes.Equal(nat[:4], make([]byte, 4)) || !bytes.Equal(nat[4:], b) {
		t.Errorf("%x", nat[:8])
	}
}

func TestRPC(t *testing.T) {
	for name, program := range map[string]uint32{"rpcbind": 100000, "nfs": 100003} {
		if b := data(t, name); len(b) != 40 || binary.BigEndian.Uint32(b[8:]) != 2 || binary.BigEndian.Uint32(b[12:]) != program || binary.BigEndian.Uint32(b[20:]) != 0 {
			t.Errorf("%s: %x", name, b)
		}
	}
}

// Requests of lines end in an empty one.
func TestText(t *testing.T) {
	for _, name := range []string{"sip", "ssdp"} {
		text := string(data(t, name))
		if name == "ssdp" {
			if r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text))); err != nil || r.Method != "M-SEARCH" || r.Header.Get("MAN") != `"ssdp:discover"` {
				t.Errorf("%v, %v", r, err)
			}
		}
		if !strings.HasSuffix(text, "\r\n\r\n") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") {
			t.Errorf("%q", text)
		}
	}
	for _, header := range []string{"Via: ", "Max-Forwards: ", "From: ", "To: ", "Call-ID: ", "CSeq: 1 OPTIONS"} { // RFC 3261 §8.1.1
		if !strings.Contains(string(data(t, "sip")), "\r\n"+header) {
			t.Errorf("no %s", header)
		}
	}
}
