package answer

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
func ip(s string) netip.Addr     { return netip.MustParseAddr(s) }

// log builds a log from (time, source, fact) triples.
func log(items ...any) evidence.Log {
	var l evidence.Log
	for i := 0; i < len(items); i += 3 {
		l.Add(items[i].(time.Duration), items[i+1].(evidence.Source), items[i+2].(evidence.Fact))
	}
	return l
}

var titles = map[cause.ID]string{
	cause.IsOpen:            "connected",
	cause.PortClosed:        "nothing listens on the port",
	cause.HostSilent:        "the destination answers nothing at all",
	cause.PathFirewallDrop:  "silently dropped on the way",
	cause.LocalFirewallDrop: "this host's own filter dropped the SYN",
	cause.AdminProhibited:   "a firewall says that this is prohibited",
	cause.NameNotFound:      "the name does not exist",
	cause.SomeAddressesDead: "connected, but another address of the name is dead",
	cause.UDPSilent:         "no datagram came back",
	cause.NoRoute:           "no route to the destination",
}

func verdict(o cause.Outcome, errno evidence.Errno, id cause.ID, who cause.Culprit, sure cause.Confidence, explanation, remedy string, others ...cause.Finding) cause.Verdict {
	return cause.Verdict{
		Outcome: o, Errno: errno, Finding: cause.Finding{Cause: id, Culprit: who, Confidence: sure},
		Explanation: explanation, Remedy: remedy, Alternatives: others,
	}
}

func schedule() *evidence.Schedule {
	s := &evidence.Schedule{Retries: 6, Linear: 4, Limit: "retries", End: 131 * time.Second}
	for _, at := range []int{1, 2, 3, 4, 5, 7, 11, 19, 35, 67} {
		s.Resend = append(s.Resend, time.Duration(at)*time.Second)
	}
	return s
}

// attempt is one socket toward remote, with the log given by triples.
func attempt(remote string, began, took time.Duration, items ...any) evidence.Attempt {
	return evidence.Attempt{Remote: ap(remote), Began: began, Took: took, Log: log(items...)}
}

func cases() map[string]Answer {
	silent := attempt("192.0.2.7:5432", 0, 5*time.Second,
		18*us, evidence.FromConnect, &evidence.Connect{Remote: ap("192.0.2.7:5432"), Errno: "EINPROGRESS"},
		20*us, evidence.FromGetsockname, &evidence.LocalAddr{Addr: ap("198.51.100.2:40312")},
		20*us, evidence.FromPrediction, schedule(),
		5*time.Second, evidence.FromTCPInfo, &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 4, Unacked: 1},
		5*time.Second, evidence.FromTimer, &evidence.Expired{Limit: 5 * time.Second, Scope: "dial"},
	)
	silentVerdict := verdict(cause.Timeout, "", cause.HostSilent, cause.Culprit{Kind: cause.Path}, cause.Possible,
		"Nothing at all came back from 192.0.2.7 in 5 s, to 5 SYNs.",
		"Ask from another network, or see how far packets come: `traceroute -T -p 5432 192.0.2.7`.",
		cause.Finding{Cause: cause.PathFirewallDrop, Culprit: cause.Culprit{Kind: cause.Path, Address: ip("203.0.113.9"), Hop: 4}, Confidence: cause.Possible},
		cause.Finding{Cause: cause.LocalFirewallDrop, Culprit: cause.Culprit{Kind: cause.Local}, Confidence: cause.Possible},
	)
	open := verdict(cause.Open, "", cause.IsOpen, cause.Culprit{Kind: cause.Nobody}, cause.Certain, "The handshake completed.", "Nothing is wrong.")
	lookup := &evidence.Lookup{
		Server: ap("192.0.2.53:53"), Transport: "udp", Name: "db.example.com.", Type: "AAAA", Rcode: "NOERROR",
		Addrs: []netip.Addr{ip("2001:db8::7")}, TTL: 300, Took: 3100 * us,
	}
	probe := func(ttl int, protocol string, port uint16, answer string, from string, rtt time.Duration) *evidence.Probe {
		p := &evidence.Probe{Experiment: "x", Protocol: protocol, To: netip.AddrPortFrom(ip("203.0.113.5"), port), TTL: ttl, Sent: 1, Answer: answer, RTT: rtt}
		if from != "" {
			p.From = ip(from)
		}
		if ttl > 0 && protocol == "tcp" {
			p.Experiment = finding
		}
		if answer == evidence.AnswerICMP {
			p.ICMP = &evidence.ICMP{Version: 4, Type: 11}
			if from == "203.0.113.5" {
				p.ICMP = &evidence.ICMP{Version: 4, Type: 3, Code: 3}
			}
		}
		return p
	}
	probed := attempt("203.0.113.5:443", 0, 1080*ms,
		18*us, evidence.FromConnect, &evidence.Connect{Remote: ap("203.0.113.5:443"), Errno: "EINPROGRESS"},
		20*us, evidence.FromPrediction, schedule(),
		300*ms, evidence.FromProbe, probe(0, "tcp", 443, "", "", 0),
		300*ms, evidence.FromProbe, probe(0, "udp", 33434, evidence.AnswerICMP, "203.0.113.5", 9*ms),
		300*ms, evidence.FromProbe, probe(0, "icmp", 0, evidence.AnswerEcho, "203.0.113.5", 8*ms),
		400*ms, evidence.FromProbe, probe(1, "tcp", 443, evidence.AnswerICMP, "192.0.2.1", 900*us),
		400*ms, evidence.FromProbe, probe(1, "tcp", 443, evidence.AnswerICMP, "192.0.2.2", 2900*us),
		400*ms, evidence.FromProbe, probe(1, "tcp", 443, "", "", 0),
		400*ms, evidence.FromProbe, probe(2, "tcp", 443, "", "", 0),
		400*ms, evidence.FromProbe, probe(3, "tcp", 443, evidence.AnswerICMP, "198.51.100.1", 4*ms),
		400*ms, evidence.FromProbe, probe(4, "tcp", 443, "", "", 0),
		500*ms, evidence.FromProbe, probe(4, "udp", 33434, evidence.AnswerICMP, "198.51.100.5", 7*ms),
		500*ms, evidence.FromProbe, probe(5, "tcp", 443, "", "", 0),
		500*ms, evidence.FromProbe, probe(5, "udp", 33434, evidence.AnswerICMP, "203.0.113.5", 9*ms),
		500*ms, evidence.FromProbe, probe(6, "tcp", 443, "", "", 0),
		1080*ms, evidence.FromTCPInfo, &evidence.TCPInfo{State: "SYN_SENT", TotalRetrans: 1, Unacked: 1},
		1080*ms, evidence.FromTimer, &evidence.Expired{Limit: 1080 * ms, Scope: "explained"},
	)
	probedVerdict := verdict(cause.Timeout, "", cause.PathFirewallDrop, cause.Culprit{Kind: cause.Path, Address: ip("198.51.100.1"), Hop: 3}, cause.Likely,
		"Something on the path silently drops the packets beyond hop 3.", "Ask whoever runs the device after the last answer.")
	return map[string]Answer{
		"probed": {
			Dial: &evidence.Dial{Target: "203.0.113.5:443", Network: "tcp", Took: 1080 * ms, Attempts: []evidence.Attempt{probed}}, Winner: -1,
			Verdict: probedVerdict, Attempts: []cause.Verdict{probedVerdict},
		},
		"open": {
			Dial: &evidence.Dial{Target: "127.0.0.1:8080", Network: "tcp", Took: 50 * ms,
				Attempts: []evidence.Attempt{attempt("127.0.0.1:8080", 3*us, 42*us,
					9*us, evidence.FromConnect, &evidence.Connect{Remote: ap("127.0.0.1:8080"), Errno: "EINPROGRESS"},
					40*us, evidence.FromSOError, &evidence.SOError{},
					41*us, evidence.FromGetsockname, &evidence.LocalAddr{Addr: ap("127.0.0.1:40312")},
					42*us, evidence.FromTCPInfo, &evidence.TCPInfo{State: "ESTABLISHED", RTT: 31 * us, SndMSS: 65483, SndWScale: 7, RcvWScale: 7, Options: []string{"timestamps", "sack", "wscale"}},
					50*ms, evidence.FromRecv, &evidence.FirstMoments{Watched: 50 * ms, Bytes: 21},
					50*ms, evidence.FromRtnetlink, &evidence.Route{To: ip("127.0.0.1"), Type: "local", Table: 255, Interface: "lo", MTU: 65536},
					50*ms, evidence.FromSockDiag, &evidence.Listener{Addr: ap("127.0.0.1:8080"), Found: true, Bound: ap("0.0.0.0:8080"), Backlog: 128, PID: 4711, Command: "nginx"},
				)}},
			Verdict: open, Attempts: []cause.Verdict{open},
		},
		"refused": {
			Dial: &evidence.Dial{Target: "[2001:db8::7]:443", Network: "tcp", Took: 3 * ms,
				Attempts: []evidence.Attempt{attempt("[2001:db8::7]:443", 0, 2870*us,
					15*us, evidence.FromConnect, &evidence.Connect{Remote: ap("[2001:db8::7]:443"), Errno: "EINPROGRESS"},
					2870*us, evidence.FromSOError, &evidence.SOError{Errno: "ECONNREFUSED"},
					2880*us, evidence.FromGetsockname, &evidence.LocalAddr{Addr: ap("[2001:db8:1::2]:40312")},
					3*ms, evidence.FromRtnetlink, &evidence.Route{To: ip("2001:db8::7"), Type: "unicast", Interface: "eth0", Gateway: ip("fe80::1"), MTU: 1500},
					3*ms, evidence.FromRtnetlink, &evidence.Neighbour{Addr: ip("fe80::1"), Interface: "eth0", State: "REACHABLE", LinkAddr: "02:00:00:00:00:01", Gateway: true},
				)}},
			Verdict: verdict(cause.Refused, "ECONNREFUSED", cause.PortClosed, cause.Culprit{Kind: cause.Destination, Address: ip("2001:db8::7")}, cause.Likely,
				"2001:db8::7 answered the SYN to port 443 with a RST: no process there listens on that port.",
				"Start the service on 2001:db8::7, or correct the port; `ss -ltn` on that host shows which ports are open."),
			Missing: []*evidence.Unseen{{What: "packets", Why: "CAP_NET_RAW is missing: it would show the RST's own TTL"}},
		},
		"timeout": {
			Dial:     &evidence.Dial{Target: "192.0.2.7:5432", Network: "tcp", Took: 5 * time.Second, Attempts: []evidence.Attempt{silent}},
			Verdict:  silentVerdict,
			Attempts: []cause.Verdict{silentVerdict},
			Missing: []*evidence.Unseen{
				{What: "packets", Why: "CAP_NET_RAW is missing"}, {What: "kernel_events", Why: "CAP_BPF is missing"},
				{What: "conntrack", Why: "CAP_NET_ADMIN is missing"}, {What: "nftables", Why: "CAP_NET_ADMIN is missing"},
			},
		},
		"icmp": {
			Dial: &evidence.Dial{Target: "192.0.2.7:25", Network: "tcp", Took: 12 * ms,
				Attempts: []evidence.Attempt{attempt("192.0.2.7:25", 0, 11*ms,
					18*us, evidence.FromConnect, &evidence.Connect{Remote: ap("192.0.2.7:25"), Errno: "EINPROGRESS"},
					11*ms, evidence.FromErrqueue, &evidence.ICMP{Version: 4, Type: 3, Code: 13, Errno: "EHOSTUNREACH", Offender: ip("203.0.113.9"), Text: "communication administratively prohibited"},
					11*ms, evidence.FromSOError, &evidence.SOError{Errno: "EHOSTUNREACH"},
				)}},
			Verdict: verdict(cause.Unreachable, "EHOSTUNREACH", cause.AdminProhibited, cause.Culprit{Kind: cause.Router, Address: ip("203.0.113.9"), Hop: 3}, cause.Certain,
				"203.0.113.9 says by ICMP that its rules forbid this.", "Ask whoever runs 203.0.113.9 to permit TCP to 192.0.2.7 port 25."),
		},
		"name-not-found": {
			Dial: &evidence.Dial{Target: "nosuch.example:80", Network: "tcp", Took: 4 * ms, Log: log(
				10*us, evidence.FromResolver, &evidence.ResolverConfig{File: "/etc/resolv.conf", Servers: []netip.AddrPort{ap("192.0.2.53:53")}, Ignored: []string{"mdns4_minimal"}, Why: "it needs the host's own C library"},
				3*ms, evidence.FromDNS, &evidence.Lookup{Server: ap("192.0.2.53:53"), Transport: "udp", Name: "nosuch.example.", Type: "A", Rcode: "NXDOMAIN", Took: 3 * ms},
				4*ms, evidence.FromDNS, &evidence.Lookup{Server: ap("192.0.2.53:5353"), Transport: "tcp", Name: "nosuch.example.", Type: "AAAA", Timeout: true, Took: 4 * ms, EDE: "unused"},
			)},
			Verdict: verdict(cause.Unresolved, "", cause.NameNotFound, cause.Culprit{Kind: cause.Resolver, Address: ip("192.0.2.53")}, cause.Certain,
				"192.0.2.53 says that nosuch.example does not exist (NXDOMAIN).", "Correct the name; ask another server with `dig nosuch.example @192.0.2.54`."),
			Winner: -1,
		},
		"race": {
			Dial: &evidence.Dial{Target: "db.example.com:5432", Network: "tcp", Took: 300 * ms,
				Log: log(3100*us, evidence.FromDNS, lookup,
					3200*us, evidence.FromResolver, &evidence.Candidates{From: "dns", Addrs: []netip.AddrPort{ap("[2001:db8::7]:5432"), ap("192.0.2.7:5432")}, Took: 3200 * us}),
				Attempts: []evidence.Attempt{
					attempt("[2001:db8::7]:5432", 3200*us, 297*ms,
						15*us, evidence.FromConnect, &evidence.Connect{Remote: ap("[2001:db8::7]:5432"), Errno: "EINPROGRESS"},
						296*ms, evidence.FromErrqueue, &evidence.ICMP{Version: 6, Type: 1, Code: 0, Errno: "ENETUNREACH", Offender: ip("2001:db8:f::1"), Text: "no route to destination"},
						297*ms, evidence.FromSOError, &evidence.SOError{Errno: "ENETUNREACH"}),
					attempt("192.0.2.7:5432", 253*ms, 47*ms,
						15*us, evidence.FromConnect, &evidence.Connect{Remote: ap("192.0.2.7:5432"), Errno: "EINPROGRESS"},
						47*ms, evidence.FromSOError, &evidence.SOError{},
						47*ms, evidence.FromTCPInfo, &evidence.TCPInfo{State: "ESTABLISHED", RTT: 46800 * us, SndMSS: 1448}),
				}},
			Verdict: verdict(cause.Open, "", cause.SomeAddressesDead, cause.Culprit{Kind: cause.Router, Address: ip("2001:db8:f::1")}, cause.Certain,
				"The connection stands, but [2001:db8::7]:5432 failed first.", "Mend or remove the dead address of db.example.com."),
			Attempts: []cause.Verdict{
				verdict(cause.Unreachable, "ENETUNREACH", cause.RouterNoRoute, cause.Culprit{Kind: cause.Router, Address: ip("2001:db8:f::1")}, cause.Certain, "", ""),
				open,
			},
			Winner: 1,
		},
		"no-route": {
			Dial: &evidence.Dial{Target: "192.0.2.9:80", Network: "tcp", Took: 40 * us,
				Attempts: []evidence.Attempt{attempt("192.0.2.9:80", 0, 30*us,
					22*us, evidence.FromConnect, &evidence.Connect{Remote: ap("192.0.2.9:80"), Errno: "ENETUNREACH"},
					40*us, evidence.FromRtnetlink, &evidence.Route{To: ip("192.0.2.9"), Errno: "ENETUNREACH"},
					40*us, evidence.FromRtnetlink, &evidence.Link{Name: "eth0", Index: 2, Exists: true},
				)}},
			Verdict: verdict(cause.Unreachable, "ENETUNREACH", cause.NoRoute, cause.Culprit{Kind: cause.Local}, cause.Certain,
				"This host has no route to 192.0.2.9.", "Look at the routing table: `ip route get 192.0.2.9`."),
			Winner: -1,
		},
		"udp-silent": {
			Dial: &evidence.Dial{Target: "192.0.2.7:514", Network: "udp", Took: 5 * time.Second,
				Attempts: []evidence.Attempt{attempt("192.0.2.7:514", 0, 5*time.Second,
					12*us, evidence.FromConnect, &evidence.Connect{Remote: ap("192.0.2.7:514")},
					5*time.Second, evidence.FromRecv, &evidence.Datagram{Sent: 0, Waited: 5 * time.Second, Payload: "empty"},
				)}},
			Verdict: verdict(cause.Timeout, "", cause.UDPSilent, cause.Culprit{Kind: cause.Nobody}, cause.Possible,
				"No datagram and no ICMP error came back: open, filtered and lost cannot be told apart.", "Ask in the service's own protocol."),
			Winner: -1,
		},
		"hostile": {
			Dial: &evidence.Dial{Target: "evil\x1b[31m\n.example:80", Network: "tcp", Log: log(
				ms, evidence.FromDNS, &evidence.Lookup{Server: ap("192.0.2.53:53"), Name: "evil.example.", Type: "A", Rcode: "SERVFAIL", EDE: "\x1b]0;owned\x07 日本語 " + longWord, Took: ms},
			)},
			Verdict: verdict(cause.Unresolved, "", cause.ResolverFailure, cause.Culprit{Kind: cause.Resolver, Address: ip("192.0.2.53")}, cause.Certain,
				"It said \x1b[2J.", "Do `nothing`."),
			Winner: -1,
		},
	}
}

const longWord = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"
