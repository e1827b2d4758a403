package resolve

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

func param(key dnsmessage.SVCParamKey, value ...byte) dnsmessage.SVCParam {
	return dnsmessage.SVCParam{Key: key, Value: value}
}

// zone answers from its records: those of the name and type that were asked,
// with NXDOMAIN for a name without any.
func zone(rrs ...dnsmessage.Resource) func(asked) said {
	return func(q asked) (a said) {
		a.rcode = dnsmessage.RCodeNameError
		for _, r := range rrs {
			if strings.EqualFold(r.Header.Name.String(), q.name) {
				a.rcode = dnsmessage.RCodeSuccess
				h := r.Header
				switch r.Body.(type) {
				case *dnsmessage.AResource:
					h.Type = typeA
				case *dnsmessage.AAAAResource:
					h.Type = typeAAAA
				case *dnsmessage.HTTPSResource:
					h.Type = typeHTTPS
				}
				if h.Type == q.typ {
					a.rrs = append(a.rrs, r)
				}
			}
		}
		return a
	}
}

func services(t *testing.T, cfg Config, host string, script func(asked) said) (*nameServer, *observed) {
	t.Helper()
	s := serve(t, false, script)
	cfg.Servers, cfg.ServiceRecords = []netip.AddrPort{s.addr}, true
	return s, resolveWith(t, &cfg, 0, host)
}

func TestServiceRecords(t *testing.T) {
	_, o := services(t, Config{Port: 443}, "www.example", zone(
		rrHTTPS("www.example.", 60, 2, "cdn.example.", param(dnsmessage.SVCParamPort, 0x20, 0xfb)),
		rrHTTPS("www.example.", 60, 1, ".", param(dnsmessage.SVCParamALPN, 2, 'h', '2', 2, 'h', '3'),
			param(dnsmessage.SVCParamIPv4Hint, 192, 0, 2, 1), param(dnsmessage.SVCParamECH, 1),
			param(dnsmessage.SVCParamIPv6Hint, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
		rrHTTPS("www.example.", 60, 3, ".", param(dnsmessage.SVCParamMandatory, 0xff, 1), param(0xff01, 7)),
		rrA("www.example.", 60, "192.0.2.1"),
		rrA("cdn.example.", 60, "192.0.2.7"),
	))
	want := []evidence.Service{
		{Priority: 1, Target: ".", ALPN: []string{"h2", "h3"}, Hints: addrs("192.0.2.1", "2001:db8::1"), ECH: true},
		{Priority: 2, Target: "cdn.example.", Port: 8443},
	}
	if diff := cmp.Diff(want, o.answer(t, "HTTPS").Services, options); diff != "" {
		t.Error(diff)
	}
	all := o.lookups("HTTPS")[0].Services
	if len(all) != 3 || all[2].Ignored != "mandatory key65281 is not understood (RFC 9460 §8)" {
		t.Errorf("evidence %+v: want all three, one with the reason why it was not used", all)
	}
	// The other target's addresses come too, marked as its own.
	var got []Answer
	for _, a := range o.answers {
		if a.Target != "" {
			got = append(got, a)
		}
	}
	slices.SortFunc(got, func(a, b Answer) int { return strings.Compare(a.Type, b.Type) })
	if len(got) != 2 || got[0].Target != "cdn.example." || !slices.Equal(got[0].Addrs, addrs("192.0.2.7")) || got[1].Err == nil {
		t.Errorf("target answers %+v", got)
	}
}

func TestServiceOwner(t *testing.T) {
	for _, test := range []struct {
		scheme string
		port   uint16
		owner  string
		typ    dnsmessage.Type
	}{
		{"https", 443, "h.example.", typeHTTPS},
		{"HTTPS", 0, "h.example.", typeHTTPS},
		{"https", 8443, "_8443._https.h.example.", typeHTTPS}, // RFC 9460 §9.1
		{"http", 80, "h.example.", typeHTTPS},                 // §9.5
		{"http", 8080, "_8080._https.h.example.", typeHTTPS},
		{"wss", 443, "h.example.", typeHTTPS},
		{"ws", 80, "h.example.", typeHTTPS},
		{"", 443, "h.example.", typeHTTPS},
		{"", 80, "h.example.", typeHTTPS},
		{"", 5432, "", 0},
		{"foo", 8443, "_8443._foo.h.example.", dnsmessage.TypeSVCB}, // §2.3
	} {
		cfg := Config{ServiceRecords: true, Scheme: test.scheme, Port: test.port}
		owner, typ, ok := cfg.serviceOwner("h.example.")
		if owner != test.owner || typ != test.typ || ok != (test.owner != "") {
			t.Errorf("%s, %d: %q %v %v, want %q %v", test.scheme, test.port, owner, typ, ok, test.owner, test.typ)
		}
		cfg.ServiceRecords = false
		if _, _, ok := cfg.serviceOwner("h.example."); ok {
			t.Error("asked though not wanted")
		}
	}
}

func TestServiceRecordsWithoutScheme(t *testing.T) {
	s, o := services(t, Config{Port: 5432}, "db.example", zone(rrA("db.example.", 60, "192.0.2.1")))
	if u := fact[*evidence.Unseen](t, o); u.What != "service_records" {
		t.Errorf("unseen %+v", u)
	}
	if n := len(s.questions()); n != 2 {
		t.Errorf("%d questions, want A and AAAA", n)
	}
}

func TestAlias(t *testing.T) {
	cfg := Config{Port: 443}
	t.Run("to a service", func(t *testing.T) {
		_, o := services(t, cfg, "example", zone(
			rrHTTPS("example.", 60, 0, "pool.example."),
			rrHTTPS("example.", 60, 9, "."), // §2.4.1: an alias hides the rest
			rrHTTPS("pool.example.", 60, 1, "."),
			rrA("pool.example.", 60, "192.0.2.5"),
		))
		// §2.5.2: "." is the owner of the record, not the name that was asked for.
		want := []evidence.Service{{Priority: 1, Target: "pool.example."}}
		if diff := cmp.Diff(want, o.answer(t, "HTTPS").Services, options); diff != "" {
			t.Error(diff)
		}
		if !slices.ContainsFunc(o.answers, func(a Answer) bool {
			return a.Target == "pool.example." && slices.Equal(a.Addrs, addrs("192.0.2.5"))
		}) {
			t.Errorf("answers %+v, want the address of the pool", o.answers)
		}
		if e := o.err(t, "A"); e.Class != NoData {
			t.Errorf("A: %+v", e)
		}
	})
	t.Run("to a plain host", func(t *testing.T) {
		_, o := services(t, cfg, "example", zone(
			rrHTTPS("example.", 60, 0, "pool.example."), rrA("pool.example.", 60, "192.0.2.5")))
		want := []evidence.Service{{Priority: 0, Target: "pool.example."}}
		if diff := cmp.Diff(want, o.answer(t, "HTTPS").Services, options); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("not available", func(t *testing.T) {
		_, o := services(t, cfg, "example", zone(rrHTTPS("example.", 60, 0, "."), rrA("example.", 60, "192.0.2.1")))
		if e := o.err(t, "HTTPS"); e.Class != NoData || !strings.Contains(e.Reason, "§2.5.1") {
			t.Errorf("error %+v", e)
		}
	})
	t.Run("loop", func(t *testing.T) {
		s, o := services(t, cfg, "a.example", zone(
			rrHTTPS("a.example.", 60, 0, "b.example."), rrHTTPS("b.example.", 60, 0, "a.example."), rrA("a.example.", 60, "192.0.2.1")))
		if e := o.err(t, "HTTPS"); e.Class != Malformed {
			t.Errorf("error %+v", e)
		}
		n := 0
		for _, q := range s.questions() {
			if q.typ == typeHTTPS {
				n++
			}
		}
		if n != maxAliases {
			t.Errorf("%d questions, want the chain cut at %d", n, maxAliases)
		}
	})
}

func TestPortLabel(t *testing.T) {
	_, o := services(t, Config{Port: 8443, Scheme: "https"}, "h.example", zone(
		rrHTTPS("_8443._https.h.example.", 60, 1, "h.example."), rrA("h.example.", 60, "192.0.2.1")))
	want := []evidence.Service{{Priority: 1, Target: "."}} // the host itself, by name
	if diff := cmp.Diff(want, o.answer(t, "HTTPS").Services, options); diff != "" {
		t.Error(diff)
	}
	for _, a := range o.answers {
		if a.Target != "" {
			t.Errorf("%+v: the host's addresses were asked for twice", a)
		}
	}
}

func TestManyTargetsAreBounded(t *testing.T) {
	var rrs []dnsmessage.Resource
	for i := range 9 {
		rrs = append(rrs, rrHTTPS("h.example.", 60, uint16(i+1), "t"+string(rune('a'+i))+".example."))
	}
	rrs = append(rrs, rrHTTPS("h.example.", 60, 10, "TA.example."))
	_, o := services(t, Config{Port: 443}, "h.example", zone(rrs...))
	targets := map[string]int{}
	for _, a := range o.answers {
		if a.Target != "" {
			targets[a.Target]++
		}
	}
	if want := map[string]int{"ta.example.": 2, "tb.example.": 2, "tc.example.": 2, "td.example.": 2}; !cmp.Equal(targets, want) {
		t.Errorf("targets %v, want %v", targets, want)
	}
}

// A name that does not exist has no service records either; a server that
// swallows their question must not hold up the answer.
func TestAbsentNameDoesNotWaitForServices(t *testing.T) {
	start := time.Now()
	_, o := services(t, Config{Port: 443}, "h.example", func(q asked) said {
		return said{silent: q.typ == typeHTTPS, rcode: dnsmessage.RCodeNameError}
	})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if e := o.err(t, "HTTPS"); e.Class != NotFound {
		t.Errorf("HTTPS: %+v, want that the name does not exist", e)
	}
	if l := o.lookups("HTTPS"); len(l) > 0 && !l[0].Cancelled {
		t.Errorf("lookup %+v", l[0])
	}
}

func TestService(t *testing.T) {
	record := func(params ...dnsmessage.SVCParam) *dnsmessage.SVCBResource {
		return &dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName("t.example."), Params: params}
	}
	for name, test := range map[string]struct {
		record *dnsmessage.SVCBResource
		bad    string
	}{
		"plain":                 {record(), ""},
		"unknown key":           {record(param(0x1234, 1)), ""},
		"no alpn":               {record(param(dnsmessage.SVCParamALPN)), "alpn is empty"},
		"empty alpn id":         {record(param(dnsmessage.SVCParamALPN, 0)), "alpn holds"},
		"cut alpn":              {record(param(dnsmessage.SVCParamALPN, 3, 'h', '2')), "alpn holds"},
		"short port":            {record(param(dnsmessage.SVCParamPort, 1)), "port is not"},
		"long port":             {record(param(dnsmessage.SVCParamPort, 0, 1, 2)), "port is not"},
		"no hint":               {record(param(dnsmessage.SVCParamIPv4Hint)), "hint is empty"},
		"cut hint":              {record(param(dnsmessage.SVCParamIPv6Hint, 1, 2, 3, 4)), "hint is empty"},
		"mandatory, empty":      {record(param(dnsmessage.SVCParamMandatory)), "no list of keys"},
		"mandatory, odd":        {record(param(dnsmessage.SVCParamMandatory, 0)), "no list of keys"},
		"mandatory, missing":    {record(param(dnsmessage.SVCParamMandatory, 0, 3)), "key3 is missing"},
		"mandatory, understood": {record(param(dnsmessage.SVCParamMandatory, 0, 3), param(dnsmessage.SVCParamPort, 1, 2)), ""},
	} {
		s, err := service(test.record)
		switch {
		case test.bad == "" && (err != nil || s.Target != "t.example." || s.Ignored != ""):
			t.Errorf("%s: %+v, %v", name, s, err)
		case test.bad != "" && (err == nil || !strings.Contains(err.Error(), test.bad)):
			t.Errorf("%s: error %v, want %q", name, err, test.bad)
		}
	}
}

// RFC 9460 §2.2: one malformed record spoils the set; the client goes on
// without service records.
func TestMalformedServiceSpoilsTheSet(t *testing.T) {
	_, o := services(t, Config{Port: 443}, "h.example", zone(
		rrHTTPS("h.example.", 60, 1, "."), rrHTTPS("h.example.", 60, 2, ".", param(dnsmessage.SVCParamPort, 1)),
		rrA("h.example.", 60, "192.0.2.1")))
	if e := o.err(t, "HTTPS"); e.Class != NoData {
		t.Errorf("error %+v", e)
	}
	if l := o.lookups("HTTPS"); len(l) != 1 || l[0].Malformed == "" || len(l[0].Services) != 0 {
		t.Errorf("lookups %+v", l)
	}
	if a := o.answer(t, "A"); a.Err != nil {
		t.Errorf("A: %+v", a)
	}
}
