package resolve

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// asked is a question as the scripted server saw it.
type asked struct {
	network string
	name    string // lower case
	typ     dnsmessage.Type
	edns    bool
	ad      bool
	n       int // how often this question came before, over this transport
}

// said is what the scripted server does with a question. The zero value is an
// empty answer with NOERROR: no data.
type said struct {
	silent  bool
	before  [][]byte // packets that go out ahead of the answer
	raw     []byte   // instead of an answer
	otherID bool     // an answer with another id goes ahead
	otherQ  bool     // an answer to another question goes ahead
	rcode   dnsmessage.RCode
	tc      bool
	noRA    bool
	noOPT   bool
	rrs     []dnsmessage.Resource
	soa     uint32 // minimum TTL of an SOA in the authority section
	ede     [][]byte
	hangUp  bool // TCP: close without a word
}

// nameServer is a scripted name server on 127.0.0.1.
type nameServer struct {
	addr   netip.AddrPort
	script func(asked) said

	mu   sync.Mutex
	seen []asked
}

// serve starts a server over UDP and, unless udpOnly, TCP at the same port.
func serve(t testing.TB, udpOnly bool, script func(asked) said) *nameServer {
	t.Helper()
	for range 20 {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		s := &nameServer{addr: udp.LocalAddr().(*net.UDPAddr).AddrPort(), script: script}
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(s.addr))
		if err != nil {
			udp.Close()
			continue
		}
		if udpOnly {
			tcp.Close()
		}
		var running sync.WaitGroup
		running.Go(func() { s.serveUDP(udp) })
		running.Go(func() { s.serveTCP(tcp) })
		t.Cleanup(func() {
			udp.Close()
			tcp.Close()
			running.Wait()
		})
		return s
	}
	t.Fatal("no port is free over UDP and TCP")
	return nil
}

func (s *nameServer) serveUDP(c *net.UDPConn) {
	var answering sync.WaitGroup
	defer answering.Wait()
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		msg := append([]byte(nil), buf[:n]...)
		answering.Go(func() {
			for _, packet := range s.reply("udp", msg) {
				c.WriteToUDPAddrPort(packet, from)
			}
		})
	}
}

func (s *nameServer) serveTCP(l *net.TCPListener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		var length [2]byte
		io.ReadFull(c, length[:])
		msg := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, msg); err == nil {
			for _, packet := range s.reply("tcp", msg) {
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...))
			}
		}
		c.Close()
	}
}

// questions are what the server was asked, in order.
func (s *nameServer) questions() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.seen...)
}

func (s *nameServer) reply(network string, msg []byte) (packets [][]byte) {
	var m dnsmessage.Message
	if err := m.Unpack(msg); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := asked{network: network, name: strings.ToLower(m.Questions[0].Name.String()), typ: m.Questions[0].Type, ad: m.Header.AuthenticData}
	for _, r := range m.Additionals {
		q.edns = q.edns || r.Header.Type == dnsmessage.TypeOPT
	}
	s.mu.Lock()
	for _, old := range s.seen {
		if old.network == q.network && old.name == q.name && old.typ == q.typ {
			q.n++
		}
	}
	s.seen = append(s.seen, q)
	s.mu.Unlock()
	a := s.script(q)
	packets = a.before
	if a.otherID {
		other := m
		other.Header.ID++
		packets = append(packets, pack(other, said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.66")}}, q.edns))
	}
	if a.otherQ {
		other := m
		other.Questions = []dnsmessage.Question{{Name: dnsmessage.MustNewName("other.example."), Type: q.typ, Class: dnsmessage.ClassINET}}
		packets = append(packets, pack(other, said{rrs: []dnsmessage.Resource{rrA("other.example.", 60, "192.0.2.66")}}, q.edns))
	}
	switch {
	case a.silent, a.hangUp:
		return packets
	case a.raw != nil:
		raw := append([]byte(nil), a.raw...)
		binary.BigEndian.PutUint16(raw, m.Header.ID)
		return append(packets, raw)
	}
	return append(packets, pack(m, a, q.edns && !a.noOPT))
}

func pack(m dnsmessage.Message, a said, opt bool) []byte {
	m.Header.Response, m.Header.RecursionAvailable = true, !a.noRA
	m.Header.RCode, m.Header.Truncated = a.rcode&0xf, a.tc
	m.Answers, m.Authorities, m.Additionals = a.rrs, nil, nil
	if a.soa > 0 {
		m.Authorities = append(m.Authorities, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("example."), Class: dnsmessage.ClassINET, TTL: 3600},
			Body:   &dnsmessage.SOAResource{NS: dnsmessage.MustNewName("ns.example."), MBox: dnsmessage.MustNewName("a.example."), MinTTL: a.soa},
		})
	}
	if opt {
		var h dnsmessage.ResourceHeader
		h.SetEDNS0(udpSize, a.rcode, false)
		body := &dnsmessage.OPTResource{}
		for _, e := range a.ede {
			body.Options = append(body.Options, dnsmessage.Option{Code: optionEDE, Data: e})
		}
		m.Additionals = append(m.Additionals, dnsmessage.Resource{Header: h, Body: body})
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func header(name string, ttl uint32) dnsmessage.ResourceHeader {
	return dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
}

func rrA(name string, ttl uint32, addr string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()}}
}

func rrAAAA(name string, ttl uint32, addr string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(addr).As16()}}
}

func rrCNAME(name string, ttl uint32, target string) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(target)}}
}

func rrHTTPS(name string, ttl uint32, priority uint16, target string, params ...dnsmessage.SVCParam) dnsmessage.Resource {
	return dnsmessage.Resource{Header: header(name, ttl), Body: &dnsmessage.HTTPSResource{
		SVCBResource: dnsmessage.SVCBResource{Priority: priority, Target: dnsmessage.MustNewName(target), Params: params}}}
}

// byType gives each type its answer and everything else no data.
func byType(answers map[dnsmessage.Type]said) func(asked) said {
	return func(q asked) said { return answers[q.typ] }
}

// observed is all that one resolution gave.
type observed struct {
	answers []Answer
	facts   []evidence.Fact
}

func (o *observed) answer(t testing.TB, typ string) Answer {
	t.Helper()
	for _, a := range o.answers {
		if a.Type == typ && a.Target == "" {
			return a
		}
	}
	t.Fatalf("no answer of type %q in %+v", typ, o.answers)
	return Answer{}
}

func (o *observed) err(t testing.TB, typ string) *Error {
	t.Helper()
	a := o.answer(t, typ)
	e, ok := a.Err.(*Error)
	if !ok {
		t.Fatalf("%s: error %v, want an *Error", typ, a.Err)
	}
	return e
}

func (o *observed) lookups(typ string) (l []*evidence.Lookup) {
	for _, f := range o.facts {
		if look, ok := f.(*evidence.Lookup); ok && (typ == "" || look.Type == typ) {
			l = append(l, look)
		}
	}
	return l
}

func fact[T evidence.Fact](t testing.TB, o *observed) (f T) {
	t.Helper()
	for _, one := range o.facts {
		if f, ok := one.(T); ok {
			return f
		}
	}
	t.Fatalf("no %T among the facts", f)
	return f
}

// resolveWith runs one resolution to its end. A nil conf is the default one
// without a search list.
func resolveWith(t testing.TB, cfg *Config, family int, host string) *observed {
	t.Helper()
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = writeFile(t, "options timeout:5\nsearch .\n")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o := new(observed)
	for a := range Start(ctx, cfg, family, host, o.observe) {
		o.answers = append(o.answers, a)
	}
	return o
}

func (o *observed) observe(_ evidence.Source, f evidence.Fact) { o.facts = append(o.facts, f) }

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// options are cmp's for the types here.
var options = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func addrs(s ...string) (a []netip.Addr) {
	for _, one := range s {
		a = append(a, netip.MustParseAddr(one))
	}
	return a
}
