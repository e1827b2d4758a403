package resolve

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestQuery(t *testing.T) {
	q, err := newQuestion("www.example.", typeAAAA)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[uint16]bool{}
	for range 50 {
		id, packet, err := q.query(true, true)
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
		if n := binary.BigEndian.Uint16(packet); int(n) != len(packet)-2 {
			t.Fatalf("length %d in front of %d octets", n, len(packet)-2)
		}
		var m dnsmessage.Message
		if err := m.Unpack(packet[2:]); err != nil {
			t.Fatal(err)
		}
		if m.ID != id || m.Response || !m.RecursionDesired || !m.AuthenticData || len(m.Questions) != 1 ||
			m.Questions[0] != (dnsmessage.Question{Name: q.name, Type: typeAAAA, Class: dnsmessage.ClassINET}) {
			t.Fatalf("message %+v", m)
		}
		// RFC 6891 §6.1.3: the class of OPT is the payload size.
		if len(m.Additionals) != 1 || m.Additionals[0].Header.Class != 1232 {
			t.Fatalf("additional section %+v", m.Additionals)
		}
	}
	if len(ids) < 40 {
		t.Errorf("%d different ids of 50", len(ids))
	}
	_, packet, err := q.query(false, false)
	if err != nil || bytes.Contains(packet, []byte{0, 41, 4, 208}) {
		t.Errorf("without EDNS: %x, %v", packet, err)
	}
	if _, err := newQuestion(strings.Repeat("a", 64)+".example.", typeA); err == nil {
		t.Error("a label of 64 octets was taken")
	}
}

func TestParseReplyStray(t *testing.T) {
	q, _ := newQuestion("h.example.", typeA)
	message := func(change func(*dnsmessage.Message)) []byte {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true, RecursionAvailable: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("H.eXample."), Type: typeA, Class: dnsmessage.ClassINET}}}
		change(&m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for stray, msg := range map[string][]byte{
		"":                              message(func(*dnsmessage.Message) {}),
		"not a DNS message":             {0, 7},
		"another id":                    message(func(m *dnsmessage.Message) { m.ID = 8 }),
		"a question, not an answer":     message(func(m *dnsmessage.Message) { m.Response = false }),
		"no question in it":             message(func(m *dnsmessage.Message) { m.Questions = nil }),
		"an answer to another question": message(func(m *dnsmessage.Message) { m.Questions[0].Type = typeAAAA }),
	} {
		r, got := parseReply(msg, 7, q)
		if got != stray || (r != nil) != (stray == "") {
			t.Errorf("%q, want %q", got, stray)
		}
	}
	for name, change := range map[string]func(*dnsmessage.Message){
		"class": func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
		"name":  func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("hh.example.") },
	} {
		if r, stray := parseReply(message(change), 7, q); r != nil || stray == "" {
			t.Errorf("an answer with another %s was taken", name)
		}
	}
	two := message(func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) })
	if r, _ := parseReply(two, 7, q); r == nil || !r.unusable() || r.malformed == "" {
		t.Errorf("two questions: %+v", r)
	}
}

// Records of another class or type are passed over; those that were read
// before a broken one are kept, as Go does.
func TestParseReplyTolerance(t *testing.T) {
	q, _ := newQuestion("h.example.", typeA)
	chaos := rrA("h.example.", 60, "192.0.2.66")
	chaos.Header.Class = dnsmessage.ClassCHAOS
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7},
		Questions: []dnsmessage.Question{{Name: q.name, Type: typeA, Class: dnsmessage.ClassINET}}}
	text := dnsmessage.Resource{Header: header("h.example.", 1), Body: &dnsmessage.TXTResource{TXT: []string{"x"}}}
	good := pack(m, said{rrs: []dnsmessage.Resource{text, chaos, rrA("h.example.", 60, "192.0.2.1")}}, false)
	r, _ := parseReply(good, 7, q)
	if len(r.addrs) != 1 || r.addrs[0].String() != "192.0.2.1" || r.ttl != 60 || r.malformed != "" {
		t.Errorf("%+v", r)
	}
	cut := bytes.Clone(good)
	cut[7]++ // one more record is announced than there is
	if r, _ = parseReply(cut, 7, q); r == nil || r.unusable() || len(r.addrs) != 1 || r.malformed == "" {
		t.Errorf("%+v", r)
	}
	short := bytes.Clone(good)
	short[len(short)-5] = 3 // RDLENGTH of the A record
	if r, _ = parseReply(short, 7, q); r == nil || !r.unusable() || !strings.Contains(r.malformed, "3 octets") {
		t.Errorf("%+v", r)
	}
}

func TestRcodeName(t *testing.T) {
	for r, want := range map[dnsmessage.RCode]string{0: "NOERROR", 3: "NXDOMAIN", 16: "BADVERS", 24: "RCODE24", 3841: "RCODE3841"} {
		if got := rcodeName(r); got != want {
			t.Errorf("%d: %q, want %q", r, got, want)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	q := dnsmessage.MustNewName("h.example.")
	seed := func(typ dnsmessage.Type, a said) {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7},
			Questions: []dnsmessage.Question{{Name: q, Type: typ, Class: dnsmessage.ClassINET}}}
		f.Add(pack(m, a, true), uint16(typ))
	}
	seed(typeA, said{rrs: []dnsmessage.Resource{rrCNAME("h.example.", 1, "i.example."), rrA("i.example.", 60, "192.0.2.1")}})
	seed(typeA, said{rrs: []dnsmessage.Resource{rrCNAME("h.example.", 1, "i.example."), rrCNAME("i.example.", 1, "h.example.")}})
	seed(typeAAAA, said{rrs: []dnsmessage.Resource{rrAAAA("h.example.", 60, "2001:db8::1")}, tc: true})
	seed(typeAAAA, said{rcode: 3, soa: 60, ede: [][]byte{append([]byte{0, 15}, "blocked\x00"...)}})
	seed(typeHTTPS, said{rrs: []dnsmessage.Resource{rrHTTPS("h.example.", 60, 1, ".", param(1, 2, 'h', '2'), param(3, 1, 187), param(4, 1, 2, 3, 4))}})
	seed(typeHTTPS, said{rrs: []dnsmessage.Resource{rrHTTPS("h.example.", 60, 0, "pool.example.")}})
	f.Fuzz(func(t *testing.T, msg []byte, typ uint16) {
		q := question{dnsmessage.MustNewName("h.example."), dnsmessage.Type(typ)}
		r, stray := parseReply(msg, 7, q)
		if (r == nil) == (stray == "") {
			t.Fatalf("reply %+v and stray %q", r, stray)
		}
		if r == nil {
			return
		}
		if len(r.cnames) > maxCNAMEs {
			t.Errorf("%d CNAMEs", len(r.cnames))
		}
		for _, s := range append([]string{r.ede, r.owner, r.malformed}, r.cnames...) {
			if strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
				t.Errorf("%q is not fit to print", s)
			}
		}
		if e, _ := r.verdict(q, unusedServer); e == nil && len(r.addrs) == 0 && len(r.services) == 0 {
			t.Error("no error and nothing found")
		} else if e != nil && e.DNSError("h.example") == nil {
			t.Error("no DNSError")
		}
	})
}
