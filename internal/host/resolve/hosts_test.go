package resolve

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

const hostsText = `# comment
127.0.0.1	localhost
::1 localhost ip6-localhost # more

192.0.2.1 Web.Example www   alias
192.0.2.2	web.example.
2001:db8::1 WEB.EXAMPLE
fe80::1%lo link
::ffff:192.0.2.9 mapped
192.0.2.300 bad
notanaddress bad
192.0.2.4
#192.0.2.5 hidden
192.0.2.6 only4` // no line end

func TestParseHosts(t *testing.T) {
	table := parseHosts([]byte(hostsText))
	for name, want := range map[string]hostsRecord{
		"localhost":    {addrs("127.0.0.1", "::1"), 2},
		"LOCALHOST":    {addrs("127.0.0.1", "::1"), 2},
		"localhost.":   {},
		"web.example":  {addrs("192.0.2.1", "192.0.2.2", "2001:db8::1"), 5},
		"wEb.example.": {addrs("192.0.2.1", "192.0.2.2", "2001:db8::1"), 5},
		"www":          {addrs("192.0.2.1"), 5},
		"alias":        {addrs("192.0.2.1"), 5},
		"link":         {addrs("fe80::1%lo"), 8},
		"mapped":       {addrs("192.0.2.9"), 9},
		"only4":        {addrs("192.0.2.6"), 14},
		"bad":          {}, "hidden": {}, "more": {}, "": {},
	} {
		if diff := cmp.Diff(want, table[hostsKey(name)], options, cmp.AllowUnexported(hostsRecord{})); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func FuzzHosts(f *testing.F) {
	f.Add([]byte(hostsText), "web.example")
	f.Add([]byte("::1 a a a\n::1%x a\n"), "A")
	f.Add([]byte("1.2.3.4 . ..\n"), ".")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		table := parseHosts(text)
		lines := strings.Count(string(text), "\n") + 1
		for key, r := range table {
			if len(r.addrs) == 0 || r.line < 1 || r.line > lines {
				t.Errorf("%q: %+v of %d lines", key, r, lines)
			}
			if key != hostsKey(key) {
				t.Errorf("key %q is not in its own form", key)
			}
		}
		_ = table[hostsKey(name)]
	})
}

// settled resolves with settings of the test's own, so that the servers have
// ports that a test may use.
func settled(t *testing.T, conf settings, family int, host string, order ...string) *observed {
	t.Helper()
	conf.resolvConf.ndots, conf.resolvConf.attempts, conf.resolvConf.timeout = 1, 1, 5e9
	conf.order = order
	o := new(observed)
	r := &resolution{cfg: new(Config), conf: &conf, family: family, host: host, observe: o.observe, answers: make(chan Answer, 11)}
	r.resolve(t.Context())
	close(r.answers)
	for a := range r.answers {
		o.answers = append(o.answers, a)
	}
	return o
}

func TestOrder(t *testing.T) {
	s := serve(t, false, func(q asked) said {
		switch {
		case q.name == "nowhere.example." || q.name == "www.":
			return said{rcode: dnsmessage.RCodeNameError}
		case q.typ == typeA:
			return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "203.0.113.1")}}
		}
		return said{}
	})
	conf := settings{resolvConf: resolvConf{servers: []netip.AddrPort{s.addr}}, hosts: writeFile(t, hostsText)}
	for _, test := range []struct {
		order  string
		host   string
		family int
		typ    string // of the answer
		want   []netip.Addr
		class  Class
		asked  bool // the server
	}{
		{"files dns", "web.example", 0, "hosts", addrs("192.0.2.1", "192.0.2.2", "2001:db8::1"), "", false},
		{"files dns", "web.example", 6, "hosts", addrs("2001:db8::1"), "", false},
		{"files dns", "only4", 6, "hosts", nil, WrongFamily, false},
		{"files dns", "other.example", 4, "A", addrs("203.0.113.1"), "", true},
		{"files dns", "nowhere.example", 4, "A", nil, NotFound, true},
		{"dns files", "web.example", 4, "A", addrs("203.0.113.1"), "", true},
		{"dns files", "www", 0, "hosts", addrs("192.0.2.1"), "", true},
		{"dns files", "nowhere.example", 4, "A", nil, NotFound, true},
		{"files", "web.example", 4, "hosts", addrs("192.0.2.1", "192.0.2.2"), "", false},
		{"files", "other.example", 4, "hosts", nil, NotFound, false},
		{"dns", "web.example", 4, "A", addrs("203.0.113.1"), "", true},
		{"dns", "localhost", 0, "localhost", addrs("::1", "127.0.0.1"), "", false},
		{"dns files", "localhost", 4, "hosts", addrs("127.0.0.1"), "", false},
		{"files dns", "db.localhost", 6, "localhost", addrs("::1"), "", false},
		{"files dns", "localhost.", 4, "localhost", addrs("127.0.0.1"), "", false},
	} {
		t.Run(test.order+"/"+test.host, func(t *testing.T) {
			before := len(s.questions())
			o := settled(t, conf, test.family, test.host, strings.Fields(test.order)...)
			if len(o.answers) != 1 {
				t.Fatalf("answers %+v, want one", o.answers)
			}
			if diff := cmp.Diff(test.want, o.answer(t, test.typ).Addrs, options, cmp.Transformer("nil", func(a []netip.Addr) []netip.Addr {
				return append([]netip.Addr{}, a...)
			})); diff != "" {
				t.Error(diff)
			}
			if test.class != "" && o.err(t, test.typ).Class != test.class {
				t.Errorf("error %+v, want %q", o.err(t, test.typ), test.class)
			}
			if asked := len(s.questions()) > before; asked != test.asked {
				t.Errorf("the server was asked: %v, want %v", asked, test.asked)
			}
			if test.order != "dns" && test.typ == "hosts" {
				h := fact[*evidence.HostsEntry](t, o)
				if h.File != conf.hosts || h.Name != test.host || (h.Line > 0) != (len(h.Addrs) > 0) {
					t.Errorf("hosts entry %+v", h)
				}
			}
		})
	}
}

func TestHostsAnswersOfTheFileAreNotShared(t *testing.T) {
	path := writeFile(t, "192.0.2.1 h\n2001:db8::1 h\n")
	for range 2 {
		o := settled(t, settings{hosts: path}, 6, "h", "files")
		if a := o.answer(t, "hosts").Addrs; len(a) != 1 || a[0] != netip.MustParseAddr("2001:db8::1") {
			t.Fatalf("addresses %v", a)
		}
		if h := fact[*evidence.HostsEntry](t, o); !cmp.Equal(h.Addrs, addrs("192.0.2.1", "2001:db8::1"), options) {
			t.Fatalf("hosts entry %+v was changed by filtering", h)
		}
	}
}

func TestUnreadableHosts(t *testing.T) {
	o := settled(t, settings{hosts: t.TempDir()}, 4, "h.example", "files") // a directory
	if u := fact[*evidence.Unseen](t, o); u.What != "hosts" || u.Why == "" {
		t.Errorf("unseen %+v", u)
	}
	for _, f := range o.facts {
		if h, ok := f.(*evidence.HostsEntry); ok {
			t.Errorf("%+v claims to have looked", h)
		}
	}
	o = settled(t, settings{hosts: t.TempDir() + "/none"}, 4, "h.example", "files")
	if h := fact[*evidence.HostsEntry](t, o); len(h.Addrs) != 0 {
		t.Errorf("hosts entry %+v of a file that does not exist", h)
	}
}
