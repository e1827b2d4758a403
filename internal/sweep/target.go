package sweep

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseError is a word that names no targets, and what to write instead.
type ParseError struct{ Input, Reason, Remedy string }

func (e *ParseError) Error() string {
	input := e.Input
	if len(input) > 80 {
		input = input[:80] + "…"
	}
	text := strconv.Quote(input) + ": " + e.Reason
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// Target is one word of what to sweep, read: addresses, or a name to resolve.
type Target struct {
	Span  Span
	Name  string // then there is no Span
	Ports []uint16
}

// ParseTarget reads an address (192.0.2.1, fe80::1%eth0), a prefix
// (192.0.2.0/24), a range (192.0.2.10-192.0.2.20, 192.0.2.10-20) or a name;
// each but a prefix and a range also with ports of its own (192.0.2.1:80,
// [2001:db8::1]:80-90, example.com:https). Of an IPv4 prefix the network's
// and the broadcast address are left out unless all is set: nobody answers
// there, or everybody does (RFC 1122 §3.2.1.3).
func ParseTarget(text string, all bool, service Service) (Target, error) {
	bad := func(reason, remedy string) (Target, error) {
		return Target{}, &ParseError{text, reason, remedy}
	}
	if text == "" {
		return bad("the target is empty", "write an address, a prefix, a range or a name")
	}
	if strings.Contains(text, "/") {
		return parsePrefix(text, all)
	}
	if first, last, is := strings.Cut(text, "-"); is {
		if a, err := netip.ParseAddr(first); err == nil {
			return parseRange(text, a, last)
		}
	}
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		return Target{Span: Span{a, a}}, nil
	}
	host, ports, err := hostPorts(text, service)
	if err != nil {
		return Target{}, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return Target{Span: Span{a, a}, Ports: ports}, nil
	}
	if !isName(host) {
		return bad("no address, prefix, range or name", "write for example 192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9 or example.com")
	}
	return Target{Name: host, Ports: ports}, nil
}

func parsePrefix(text string, all bool) (Target, error) {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return Target{}, &ParseError{text, "no prefix", "write for example 192.0.2.0/24 or 2001:db8::/120"}
	case p != p.Masked():
		return Target{}, &ParseError{text, "bits are set beyond the prefix's length",
			fmt.Sprintf("write %s for the prefix, or %s for the one address", p.Masked(), p.Addr())}
	}
	s := SpanOf(p)
	if p.Addr().Is4() && p.Bits() <= 30 && !all {
		s.First, s.Last = s.First.Next(), s.Last.Prev()
	}
	return Target{Span: s}, nil
}

func parseRange(text string, first netip.Addr, rest string) (Target, error) {
	last, err := netip.ParseAddr(rest)
	if n, numErr := strconv.ParseUint(rest, 10, 8); err != nil && numErr == nil && first.Is4() {
		b := first.As4()
		b[3] = byte(n)
		last, err = netip.AddrFrom4(b), nil
	}
	switch {
	case err != nil || first.Is4() != last.Is4() || first.Zone() != "" || last.Zone() != "":
		return Target{}, &ParseError{text, "no range of addresses", "write 192.0.2.10-192.0.2.20, 192.0.2.10-20 or 2001:db8::1-2001:db8::ff"}
	case last.Less(first):
		return Target{}, &ParseError{text, "the range is reversed", fmt.Sprintf("write %s-%s", last, first)}
	}
	return Target{Span: Span{first, last}}, nil
}

func hostPorts(text string, service Service) (host string, ports []uint16, err error) {
	host = text
	rest, colon := "", false
	if inside, after, closed := strings.Cut(strings.TrimPrefix(text, "["), "]"); text[0] == '[' && closed {
		if host = inside; after == "" {
			return host, nil, nil
		}
		if rest, colon = strings.CutPrefix(after, ":"); !colon {
			return "", nil, &ParseError{text, "something follows the bracket", "write [" + inside + "]:PORT"}
		}
	} else if strings.Count(text, ":") == 1 {
		host, rest, colon = strings.Cut(text, ":")
	}
	if colon {
		ports, err = ParsePorts(rest, service)
	}
	return host, ports, err
}

// isName says that a word can be a host name: labels of letters, digits,
// hyphens and underscores (RFC 1123 §2.1), and not all digits and dots.
func isName(text string) bool {
	text = strings.TrimSuffix(text, ".")
	if text == "" || len(text) > 253 || strings.Trim(text, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

// ParseExclusion reads an address, a prefix or a range that is never to be
// touched. Bits beyond a prefix's length are no error here: whoever excludes
// 192.0.2.7/24 means the network.
func ParseExclusion(text string) (Span, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return SpanOf(p), nil
	}
	t, err := ParseTarget(text, true, nil)
	if err != nil || t.Name != "" || t.Ports != nil {
		return Span{}, &ParseError{text, "no exclusion", "write an address, a prefix or a range, without a port"}
	}
	t.Span.First, t.Span.Last = t.Span.First.WithZone(""), t.Span.Last.WithZone("")
	return t.Span, nil
}
