package main

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/dialscope/dialscope/cause"
)

// What the tools printed in the lab: nmap 7.93, tcptraceroute 1.5beta7, mtr
// 0.95, hping3 3.0.0-alpha-2.
func TestSaid(t *testing.T) {
	const destination, router = "203.0.113.2", "192.0.2.1"
	for _, c := range []struct {
		name     string
		condense condense
		out      string
		words    string
		cause    cause.ID
		who      string
		here     bool
	}{
		{name: "nmap, a reset", condense: nmapSaid, out: nmapHead + "80/tcp closed http    reset ttl 64\n",
			words: "closed (reset)", cause: cause.PortClosed, who: destination},
		{name: "nmap, silence", condense: nmapSaid, out: nmapHead + "80/tcp filtered http    no-response\n",
			words: "filtered (no-response)"},
		{name: "nmap, open", condense: nmapSaid, out: nmapHead + "80/tcp open  http    syn-ack ttl 64\n",
			words: "open (syn-ack)", cause: cause.IsOpen},
		{name: "nmap, an ICMP message", condense: nmapSaid, out: nmapHead + "80/tcp filtered http    admin-prohibited from 192.0.2.1 ttl 64\n",
			words: "filtered (admin-prohibited from 192.0.2.1)", cause: cause.AdminProhibited, who: router},
		{name: "nmap, a loop", condense: nmapSaid, out: nmapHead + "80/tcp filtered http    time-exceeded from 198.51.100.6 ttl 63\n",
			words: "filtered (time-exceeded from 198.51.100.6)", cause: cause.RoutingLoop, who: "198.51.100.6"},
		{name: "nmap, not sent", condense: nmapSaid,
			out:   "sendto in send_ip_packet_sd: sendto(3, packet, 44, 0, 203.0.113.2, 16) => Operation not permitted\n" + nmapHead + "80/tcp filtered http    no-response\n",
			words: "filtered (no-response), sendto: not permitted", cause: cause.LocalFirewallDrop, here: true},
		{name: "nmap, nobody", condense: nmapSaid, out: "Nmap done: 1 IP address (0 hosts up) scanned in 1.49 seconds\n",
			words: "host down"},
		{name: "nmap, stopped", condense: nmapSaid, out: "Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-21 14:21 UTC\n",
			words: "nothing"},

		{name: "hping3, a reset", condense: hpingSaid,
			out:   hpingHead + "len=40 ip=203.0.113.2 ttl=64 DF id=0 sport=80 flags=RA seq=0 win=0 rtt=0.6 ms\n",
			words: "flags=RA, closed", cause: cause.PortClosed, who: destination},
		{name: "hping3, open", condense: hpingSaid,
			out:   hpingHead + "len=40 ip=203.0.113.2 ttl=64 DF id=0 sport=80 flags=SA seq=0 win=0 rtt=0.2 ms\n",
			words: "flags=SA, open", cause: cause.IsOpen},
		{name: "hping3, only an ACK", condense: hpingSaid,
			out:   hpingHead + "len=40 ip=203.0.113.2 ttl=64 DF id=0 sport=80 flags=A seq=0 win=512 rtt=0.2 ms\n",
			words: "flags=A"},
		{name: "hping3, an ICMP message", condense: hpingSaid, out: hpingHead + "ICMP Packet filtered from ip=192.0.2.1\n",
			words: "Packet filtered from 192.0.2.1", cause: cause.AdminProhibited, who: router},
		{name: "hping3, an ICMP message without a name", condense: hpingSaid, out: hpingHead + "ICMP Unreachable type=12 from ip=192.0.2.1\n",
			words: "Unreachable type=12 from 192.0.2.1", who: router},
		{name: "hping3, a loop", condense: hpingSaid, out: hpingHead + "TTL 0 during transit from ip=198.51.100.6\n",
			words: "TTL 0 during transit from 198.51.100.6", cause: cause.RoutingLoop, who: "198.51.100.6"},
		{name: "hping3, silence", condense: hpingSaid,
			out:   "\n--- 203.0.113.2 hping statistic ---\n3 packets transmitted, 0 packets received, 100% packet loss\n" + hpingHead,
			words: "100% packet loss"},
		{name: "hping3, not sent", condense: hpingSaid, out: "[send_ip] sendto: Operation not permitted\n" + hpingHead,
			words: "sendto: not permitted", cause: cause.LocalFirewallDrop, here: true},
		{name: "hping3, stopped", condense: hpingSaid, words: "nothing"},

		{name: "tcptraceroute, a reset", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.243 ms\n 2  203.0.113.2 [closed]  0.038 ms\n",
			words: "[closed] at hop 2", cause: cause.PortClosed, who: destination},
		{name: "tcptraceroute, open", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.112 ms\n 2  203.0.113.2 [open]  0.033 ms\n",
			words: "[open] at hop 2", cause: cause.IsOpen},
		{name: "tcptraceroute, open behind a hop that is silent", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  *\n 2  203.0.113.2 [open]  0.033 ms\n",
			words: "[open] at hop 2", cause: cause.IsOpen},
		{name: "tcptraceroute, an ICMP message", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.106 ms\n 2  192.0.2.1  0.074 ms !A\n",
			words: "!A from 192.0.2.1", cause: cause.AdminProhibited, who: router},
		{name: "tcptraceroute, an ICMP message without a name", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.074 ms !<12>\n",
			words: "!<12> from 192.0.2.1", who: router},
		{name: "tcptraceroute, silence", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.108 ms\n 2  *\n 3  *\nDestination not reached\n",
			words: "last hop 192.0.2.1", who: router},
		{name: "tcptraceroute, all silent", condense: tcptracerouteSaid, out: tcptracerouteHead + " 1  *\n 2  *\nDestination not reached\n",
			words: "no hop answers"},
		{name: "tcptraceroute, a loop", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + " 1  192.0.2.1  0.103 ms\n 2  198.51.100.6  0.055 ms\n 3  192.0.2.1  0.051 ms\n",
			words: "a circle, last hop 192.0.2.1", cause: cause.RoutingLoop, who: router},
		{name: "tcptraceroute, not sent", condense: tcptracerouteSaid,
			out:   tcptracerouteHead + "libnet_write failed?  Attempted to write 40 bytes, only wrote -1\n",
			words: "the packet could not be written", here: true},

		{name: "mtr, it answers", condense: mtrSaid,
			out:   mtrHead + "  1.|-- 192.0.2.1                  0.0%     3    0.1   0.1   0.1   0.1   0.0\n  2.|-- 203.0.113.2                0.0%     3    0.1   0.1   0.1   0.1   0.0\n",
			words: "reached"},
		{name: "mtr, silence", condense: mtrSaid,
			out:   mtrHead + "  1.|-- 192.0.2.1                  0.0%     3    0.1   0.2   0.1   0.2   0.0\n  2.|-- ???                       100.0     3    0.0   0.0   0.0   0.0   0.0\n",
			words: "last hop 192.0.2.1", who: router},
		{name: "mtr, a hop that is there twice is no circle", condense: mtrSaid,
			out:   mtrHead + "  1.|-- 192.0.2.1                 66.7%     3    0.2   0.2   0.2   0.2   0.0\n  2.|-- 192.0.2.1                 33.3%     3  2053. 1026.   0.1 2053. 1452.0\n",
			words: "last hop 192.0.2.1", who: router},
		{name: "mtr, a loop", condense: mtrSaid,
			out:   mtrHead + "  1.|-- 192.0.2.1  33.3%  3\n  2.|-- 198.51.100.6  0.0%  3\n  3.|-- 192.0.2.1  0.0%  3\n  4.|-- 198.51.100.6  0.0%  3\n",
			words: "a circle, last hop 198.51.100.6", cause: cause.RoutingLoop, who: "198.51.100.6"},
		{name: "mtr, nothing", condense: mtrSaid, out: mtrHead, words: "no hop answers"},

		{name: "dialscope", condense: dialscopeSaid,
			out:   `{"outcome":"timeout","cause":"path-firewall-drop","culprit":{"kind":"path","address":"192.0.2.1"},"confidence":"likely","alternatives":[]}`,
			words: "path-firewall-drop (likely), path 192.0.2.1", cause: cause.PathFirewallDrop, who: router},
		{name: "dialscope, this host", condense: dialscopeSaid,
			out:   `{"outcome":"timeout","cause":"reverse-path-filter","culprit":{"kind":"local"},"confidence":"certain","alternatives":[]}`,
			words: "reverse-path-filter (certain), local", cause: cause.ReversePathFilter, here: true},
		{name: "dialscope, no document", condense: dialscopeSaid, out: "error: what\n", words: "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.condense(c.out, netip.MustParseAddrPort(destination+":80"))
			who, _ := netip.ParseAddr(c.who)
			if got.words != c.words || got.cause != c.cause || got.who != who || got.here != c.here {
				t.Errorf("got %+v\nwant words %q, cause %q, who %q, here %v", got, c.words, c.cause, c.who, c.here)
			}
		})
	}
}

const (
	nmapHead          = "Nmap scan report for 203.0.113.2\nHost is up, received user-set (0.000039s latency).\n\nPORT   STATE    SERVICE REASON\n"
	hpingHead         = "HPING 203.0.113.2 (eth0 203.0.113.2): S set, 40 headers + 0 data bytes\n"
	tcptracerouteHead = "Selected device eth0, address 192.0.2.2, port 50569 for outgoing packets\nTracing the path to 203.0.113.2 on TCP port 80 (http), 8 hops max\n"
	mtrHead           = "Start: 2026-11-21T14:20:27+0000\nHOST: vm                          Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
)

// What dialscope offers beside its verdict counts as offered.
func TestSaidAlternatives(t *testing.T) {
	got := dialscopeSaid(`{"outcome":"timeout","cause":"host-firewall-drop","culprit":{"kind":"destination","address":"203.0.113.2"},
		"confidence":"likely","alternatives":[{"cause":"path-firewall-drop"},{"cause":"listen-queue-full"}]}`, netip.AddrPort{})
	if want := []cause.ID{cause.PathFirewallDrop, cause.ListenQueueFull}; !slices.Equal(got.among, want) {
		t.Errorf("among %v, want %v", got.among, want)
	}
}
