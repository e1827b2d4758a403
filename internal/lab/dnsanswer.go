package lab

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

var rcodes = map[string]dnsmessage.RCode{
	"": dnsmessage.RCodeSuccess, "NOERROR": dnsmessage.RCodeSuccess, "NXDOMAIN": dnsmessage.RCodeNameError,
	"SERVFAIL": dnsmessage.RCodeServerFailure, "REFUSED": dnsmessage.RCodeRefused,
	"FORMERR": dnsmessage.RCodeFormatError, "NOTIMP": dnsmessage.RCodeNotImplemented,
}

// dnsAnswer answers one question as a recursive server does: a name that the
// service does not know is NXDOMAIN, one that it knows without an address of
// the family has no data. Nil: it is no question.
func (v *Service) dnsAnswer(packet []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(packet) != nil || m.Response || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	out := dnsmessage.Message{Questions: m.Questions, Header: dnsmessage.Header{
		ID: m.ID, Response: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true, RCode: rcodes[v.Rcode],
	}}
	addrs, known := v.Names[strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")]
	if !known && out.RCode == dnsmessage.RCodeSuccess {
		out.RCode = dnsmessage.RCodeNameError
	}
	for _, text := range addrs {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
		switch a := netip.MustParseAddr(text); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	answer, err := out.Pack()
	if err != nil {
		return nil
	}
	return answer
}
