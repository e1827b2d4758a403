package resolve

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

func TestBothFamilies(t *testing.T) {
	s := serve(t, false, byType(map[dnsmessage.Type]said{
		dnsmessage.TypeA:    {rrs: []dnsmessage.Resource{rrA("www.example.", 300, "192.0.2.1"), rrA("www.example.", 60, "192.0.2.2")}},
		dnsmessage.TypeAAAA: {rrs: []dnsmessage.Resource{rrAAAA("www.example.", 30, "2001:db8::1")}},
	}))
	o := resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}}, 0, "www.example")
	if diff := cmp.Diff(addrs("192.0.2.1", "192.0.2.2"), o.answer(t, "A").Addrs, byString); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(addrs("2001:db8::1"), o.answer(t, "AAAA").Addrs, byString); diff != "" {
		t.Error(diff)
	}
	for _, l := range o.lookups("") {
		t.Logf("%+v", *l)
	}
}
