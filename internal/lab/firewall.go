package lab

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/host/netns"
)

var hooks = map[string]netns.Hook{
	"prerouting": netns.Prerouting, "input": netns.Input, "forward": netns.Forward,
	"output": netns.Output, "postrouting": netns.Postrouting,
}

var protocols = map[string]netns.Protocol{"tcp": netns.TCP, "udp": netns.UDP, "icmp": netns.ICMP, "icmpv6": netns.ICMPv6}

var tcpFlags = map[string]netns.TCPFlags{
	"syn": netns.SYN, "syn-ack": netns.SYNACK, "rst": netns.RST, "rst-ack": netns.RSTACK, "ack": netns.ACK, "fin-ack": netns.FIN | netns.ACK,
}

// rejections are the names that nft(8) and the RFCs have for the codes of
// destination unreachable. One with both families is written the same way in
// a scenario of either.
var rejections = map[string]struct{ v4, v6 int }{
	"net-unreachable":      {0, -1},
	"host-unreachable":     {1, -1},
	"protocol-unreachable": {2, -1},
	"port-unreachable":     {3, 4},
	"admin-prohibited":     {13, 1},
	"no-route":             {0, 0},
	"address-unreachable":  {1, 3},
	"policy-fail":          {-1, 5},
	"reject-route":         {-1, 6},
}

// rule is the fault as netns has it.
func (f *FirewallFault) rule(family int) (r netns.Rule, err error) {
	ok := false
	if r.Hook, ok = hooks[f.Hook]; !ok {
		return r, at("hook", "%q: write one of %s", f.Hook, strings.Join(sortedNames(hooks), ", "))
	}
	if r.Match, err = f.Match.match(); err != nil {
		return r, err
	}
	if r.Verdict, err = verdict(f.Verdict, family); err != nil {
		return r, at("verdict", "%v", err)
	}
	return r, nil
}

func (m *Match) match() (out netns.Match, err error) {
	out = netns.Match{Sport: m.Sport, Dport: m.Dport, In: m.In, Out: m.Out, First: m.First, Every: m.Every, Longer: m.Longer}
	protocol := m.Protocol
	if protocol == "" && (m.Sport != 0 || m.Dport != 0 || m.Flags != "") {
		protocol = "tcp"
	}
	ok := false
	if out.Protocol, ok = protocols[protocol]; !ok && protocol != "" {
		return out, at("match.protocol", "%q: write one of %s", protocol, strings.Join(sortedNames(protocols), ", "))
	}
	if out.Flags, ok = tcpFlags[m.Flags]; !ok && m.Flags != "" {
		return out, at("match.flags", "%q: write one of %s", m.Flags, strings.Join(sortedNames(tcpFlags), ", "))
	}
	if out.Src, err = prefix(m.Src); err != nil {
		return out, at("match.src", "%v", err)
	}
	if out.Dst, err = prefix(m.Dst); err != nil {
		return out, at("match.dst", "%v", err)
	}
	return out, nil
}

// prefix reads an address, with or without a prefix length; nothing is none.
func prefix(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address and no network", text)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// verdict reads "drop", "accept", "reset", "reject admin-prohibited", "reject
// 13", "ttl 1", "dnat 192.0.2.1:80", "redirect 8080", "masquerade", "notrack".
func verdict(text string, family int) (netns.Verdict, error) {
	word, arg, _ := strings.Cut(text, " ")
	number := func(limit int) (int, error) {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 0 || n > limit {
			return 0, fmt.Errorf("%q: write a number up to %d after %s", text, limit, word)
		}
		return n, nil
	}
	switch word {
	case "drop":
		return netns.Drop(), nil
	case "accept":
		return netns.Accept(), nil
	case "reset":
		return netns.RejectTCPReset(), nil
	case "masquerade":
		return netns.Masquerade(), nil
	case "notrack":
		return netns.NoTrack(), nil
	case "reject":
		code, err := rejectCode(arg, family)
		if err != nil {
			return netns.Verdict{}, err
		}
		if family == 6 {
			return netns.RejectICMPv6(netns.ICMPv6Code(code)), nil
		}
		return netns.RejectICMP(netns.ICMPCode(code)), nil
	case "ttl":
		n, err := number(255)
		if err != nil {
			return netns.Verdict{}, err
		}
		if family == 6 {
			return netns.SetHopLimit(uint8(n)), nil
		}
		return netns.SetTTL(uint8(n)), nil
	case "redirect":
		n, err := number(65535)
		return netns.Redirect(uint16(n)), err
	case "dnat":
		to, err := netip.ParseAddrPort(arg)
		if err != nil {
			return netns.Verdict{}, fmt.Errorf("%q: write dnat ADDRESS:PORT", text)
		}
		return netns.DNAT(to), nil
	}
	return netns.Verdict{}, fmt.Errorf("%q: write accept, drop, reset, reject CODE, ttl N, dnat ADDRESS:PORT, redirect PORT, masquerade or notrack", text)
}

func rejectCode(name string, family int) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 255 {
		return n, nil
	}
	codes, known := rejections[name]
	code := codes.v4
	if family == 6 {
		code = codes.v6
	}
	if !known || code < 0 {
		return 0, fmt.Errorf("reject %q: IPv%d has no such code; write its number, or one of %s", name, family, strings.Join(sortedNames(rejections), ", "))
	}
	return code, nil
}
