package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/dialscope/dialscope/cause"
)

// said is what a tool says of a connection: its essence in a few words, and
// what these words name to a person who knows the tool.
type said struct {
	words string
	cause cause.ID   // what they leave no doubt about; empty: they have several readings
	among []cause.ID // further readings that the tool itself offers
	who   netip.Addr // who is blamed, or the last who answered
	here  bool       // this host is blamed
}

// condense reduces what a tool printed about a target.
type condense func(out string, target netip.AddrPort) said

// nmapLine is a port's line under --reason, such as
// "80/tcp filtered http    admin-prohibited from 192.0.2.1 ttl 64".
var nmapLine = regexp.MustCompile(`(?m)^\d+/tcp\s+(\S+)\s+\S+\s+([a-z-]+)(?: from (\S+))?`)

// nmapReasons are the reasons with one reading (nmap's portreasons.cc).
var nmapReasons = map[string]cause.ID{
	"syn-ack":          cause.IsOpen,
	"reset":            cause.PortClosed,
	"admin-prohibited": cause.AdminProhibited,
	"host-prohibited":  cause.AdminProhibited,
	"net-prohibited":   cause.AdminProhibited,
	"host-unreach":     cause.HostUnreachable,
	"net-unreach":      cause.HostUnreachable,
	"port-unreach":     cause.FirewallReject,
	"proto-unreach":    cause.FirewallReject,
	"time-exceeded":    cause.RoutingLoop,
}

func nmapSaid(out string, target netip.AddrPort) said {
	m := nmapLine.FindStringSubmatch(out)
	if m == nil {
		if strings.Contains(out, "(0 hosts up)") {
			return said{words: "host down"}
		}
		return said{words: "nothing"}
	}
	s := said{words: fmt.Sprintf("%s (%s)", m[1], m[2]), cause: nmapReasons[m[2]]}
	if from, err := netip.ParseAddr(m[3]); err == nil {
		s.words, s.who = fmt.Sprintf("%s (%s from %s)", m[1], m[2], from), from
	} else if s.cause == cause.PortClosed {
		s.who = target.Addr()
	}
	if strings.Contains(out, "=> Operation not permitted") {
		s.words, s.cause, s.here = s.words+", sendto: not permitted", cause.LocalFirewallDrop, true
	}
	return s
}

var (
	hpingTCP  = regexp.MustCompile(`(?m)^len=.* ip=(\S+) .*flags=([A-Z]+)`)
	hpingICMP = regexp.MustCompile(`(?m)^(?:ICMP )?(.+) from ip=(\S+)`)
)

// hpingKinds are hping3's words for ICMP messages (its icmp_unreach and
// icmp_timexc).
var hpingKinds = map[string]cause.ID{
	"Packet filtered":      cause.AdminProhibited,
	"Host Unreachable":     cause.HostUnreachable,
	"Network Unreachable":  cause.HostUnreachable,
	"Port Unreachable":     cause.FirewallReject,
	"Protocol Unreachable": cause.FirewallReject,
	"TTL 0 during transit": cause.RoutingLoop,
}

func hpingSaid(out string, _ netip.AddrPort) said {
	if m := hpingTCP.FindStringSubmatch(out); m != nil {
		from, _ := netip.ParseAddr(m[1])
		switch {
		case strings.Contains(m[2], "R"):
			return said{words: "flags=" + m[2] + ", closed", cause: cause.PortClosed, who: from}
		case m[2] == "SA":
			return said{words: "flags=SA, open", cause: cause.IsOpen}
		}
		return said{words: "flags=" + m[2]}
	}
	if m := hpingICMP.FindStringSubmatch(out); m != nil {
		from, _ := netip.ParseAddr(m[2])
		return said{words: fmt.Sprintf("%s from %s", m[1], m[2]), cause: hpingKinds[m[1]], who: from}
	}
	if strings.Contains(out, "sendto: Operation not permitted") {
		return said{words: "sendto: not permitted", cause: cause.LocalFirewallDrop, here: true}
	}
	if strings.Contains(out, "100% packet loss") {
		return said{words: "100% packet loss"}
	}
	return said{words: "nothing"}
}

// tcptracerouteLine is a hop: " 2  192.0.2.1  0.074 ms !A" or
// " 2  203.0.113.2 [closed]  0.038 ms".
var tcptracerouteLine = regexp.MustCompile(`(?m)^ *(\d+)  (\d\S+)(?: \[(\w+)\])?.*? ms(?: (!\S+))?`)

// tcptracerouteMarks are its notes behind a hop (tcptraceroute(1)).
var tcptracerouteMarks = map[string]cause.ID{
	"!A": cause.AdminProhibited,
	"!H": cause.HostUnreachable,
	"!N": cause.HostUnreachable,
	"!P": cause.FirewallReject,
}

func tcptracerouteSaid(out string, target netip.AddrPort) said {
	if strings.Contains(out, "libnet_write failed") {
		return said{words: "the packet could not be written", here: true}
	}
	var hops []netip.Addr
	for _, m := range tcptracerouteLine.FindAllStringSubmatch(out, -1) {
		hop, err := netip.ParseAddr(m[2])
		if err != nil {
			continue
		}
		hops = append(hops, hop)
		switch {
		case m[4] != "":
			return said{words: fmt.Sprintf("%s from %s", m[4], hop), cause: tcptracerouteMarks[m[4]], who: hop}
		case m[3] == "closed":
			return said{words: fmt.Sprintf("[closed] at hop %s", m[1]), cause: cause.PortClosed, who: hop}
		case m[3] == "open":
			return said{words: fmt.Sprintf("[open] at hop %s", m[1]), cause: cause.IsOpen}
		}
	}
	return traced(hops, target)
}

// mtrLine is a hop of a report: "  2.|-- 198.51.100.6   33.3%  3 ...".
var mtrLine = regexp.MustCompile(`(?m)^ *\d+\.\|-- (\d\S+)`)

func mtrSaid(out string, target netip.AddrPort) said {
	var hops []netip.Addr
	for _, m := range mtrLine.FindAllStringSubmatch(out, -1) {
		if hop, err := netip.ParseAddr(m[1]); err == nil {
			hops = append(hops, hop)
		}
	}
	return traced(hops, target)
}

// traced is what the hops that answered say by themselves.
func traced(hops []netip.Addr, target netip.AddrPort) said {
	if len(hops) == 0 {
		return said{words: "no hop answers"}
	}
	last := hops[len(hops)-1]
	switch {
	case last == target.Addr():
		return said{words: "reached"}
	case circular(hops):
		return said{words: fmt.Sprintf("a circle, last hop %s", last), cause: cause.RoutingLoop, who: last}
	}
	return said{words: fmt.Sprintf("last hop %s", last), who: last}
}

// circular says that an address comes again after another one.
func circular(hops []netip.Addr) bool {
	hops = slices.Compact(slices.Clone(hops))
	seen := map[netip.Addr]bool{}
	for _, hop := range hops {
		if seen[hop] {
			return true
		}
		seen[hop] = true
	}
	return false
}

func dialscopeSaid(out string, _ netip.AddrPort) said {
	var v cause.Verdict
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Cause == "" {
		return said{words: "nothing"}
	}
	s := said{cause: v.Cause, who: v.Culprit.Address, here: v.Culprit.Kind == cause.Local}
	for _, other := range v.Alternatives {
		s.among = append(s.among, other.Cause)
	}
	s.words = fmt.Sprintf("%s (%s), %s", v.Cause, v.Confidence, v.Culprit.Kind)
	if v.Culprit.Address.IsValid() {
		s.words += " " + v.Culprit.Address.String()
	}
	return s
}
