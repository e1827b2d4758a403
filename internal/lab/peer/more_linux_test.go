package peer_test

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
)

// Replies that are late, doubled, reordered, broken or forged.
func TestUnusualExchanges(t *testing.T) {
	for _, x := range []exchange{
		{name: "late SYN-ACK to the first of two SYNs", after: 1200 * ms, script: host + `
			expect SYN port 80
			after 1200ms send SYN+ACK mss 1460
			expect ACK
			end`},
		{name: "SYN-ACK twice", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460 twice
			expect ACK
			expect ACK within 1s
			send data "once"
			send FIN+ACK
			end`, then: reads("once", nil)},
		{name: "segments twice and in reverse order", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460 sack
			expect ACK
			reversed {
				send data "a" twice
				send data "b"
				send data "c"
			}
			send FIN+ACK
			end`, then: reads("abc", nil)},
		{name: "one SYN lost", after: 1000 * ms, script: host + `
			ignore 1 SYN port 80
			expect SYN seq isn
			send SYN+ACK mss 1460
			expect ACK
			end`},
		{name: "bad TCP checksum", after: 1000 * ms, script: ignored("SYN+ACK mss 1460 bad-checksum tcp")},
		{name: "bad IP checksum", after: 1000 * ms, script: ignored("SYN+ACK mss 1460 bad-checksum ip")},
		{name: "data offset too small", after: 1000 * ms, script: ignored("SYN+ACK data-offset 4")},
		{name: "data offset beyond the segment", after: 1000 * ms, script: ignored("SYN+ACK data-offset 15")},
		{name: "cut short", after: 1000 * ms, script: ignored("SYN+ACK mss 1460 cut 6")},
		{name: "option that does not fit", script: opens("SYN+ACK options 0214ffff")},
		{name: "option of length 0", script: opens("SYN+ACK options 02000000")},
		{name: "no options", script: opens("SYN+ACK options none window 1000")},
		{name: "unknown options", script: opens("SYN+ACK mss 1460 option 253 f00d nop option 77")},
		{name: "PSH and URG", script: opens("SYN+PSH+URG+ACK mss 1460 urgent 5")},
		{name: "MSS 0", script: opens("SYN+ACK mss 0")},
		{name: "window scale 15", script: opens("SYN+ACK mss 1460 wscale 15")},
		{name: "window 0", script: opens("SYN+ACK mss 1460 window 0")},
		{name: "forged TTL 1", script: opens("SYN+ACK mss 1460 ttl 1")},
		{name: "forged TTL 0", script: opens("SYN+ACK mss 1460 ttl 0")},
		{name: "sequence number that wraps", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460 seq 0xfffffffe
			expect ACK ack isn+1
			send data "over the edge"
			send FIN+ACK
			end`, then: reads("over the edge", nil)},
		{name: "from another source", after: 1000 * ms, script: ignored("SYN+ACK mss 1460 from 192.0.2.9")},
		{name: "from another port", after: 1000 * ms, script: ignored("SYN+ACK mss 1460 port 81")},
		{name: "split handshake", script: host + `
			expect SYN port 80
			send ACK ack +1
			send SYN mss 1460
			expect SYN+ACK seq isn
			send ACK
			send data "split"
			send FIN+ACK
			end`, then: reads("split", nil)},
		{name: "challenge ACK of an old connection", script: host + `
			expect SYN port 80
			send ACK seq 5000000 ack 777
			expect RST seq 777 within 200ms
			expect SYN seq isn within 200ms
			send SYN+ACK mss 1460
			expect ACK
			end`},
		{name: "PAWS", script: host + `
			expect SYN port 80 option ts
			send SYN+ACK mss 1460 ts
			expect ACK option ts
			send data "new" ts
			expect ACK
			send data "old" ts -100000
			expect ACK ack -3 within 1s    # the segment was refused
			send data "old" seq -3 ts
			send FIN+ACK ts
			end`, then: reads("newold", nil)},
		{name: "FIN after the SYN-ACK", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			send FIN+ACK
			expect ACK seq isn+1 ack isn+2
			end`, then: reads("", nil)},
		{name: "RST with data", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			after 50ms send RST+ACK data "go away"
			end`, then: reads("", syscall.ECONNRESET)},
		{name: "speaks first, then reset", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			send data "421 busy"
			expect ACK
			after 50ms send RST+ACK
			end`, then: readsThenReset},
	} {
		t.Run(x.name, x.run)
	}
}

// opens is a handshake with a SYN-ACK that the kernel takes.
func opens(synack string) string {
	return host + `
		expect SYN port 80
		send ` + synack + `
		expect ACK within 500ms
		end`
}

// readsThenReset: what was received before the RST may or may not be read first;
// the end is ECONNRESET either way.
func readsThenReset(t *testing.T, _ *stage, r result) {
	t.Helper()
	r.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(r.conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
}

// icmp_err_convert, tcp_v4_err; tcp_v6_err with icmpv6_err_convert.
func TestICMPInSynSent(t *testing.T) {
	v4, v6 := "192.0.2.1", "2001:db8::1"
	for _, x := range []struct {
		host, message string
		errno         syscall.Errno
	}{
		{v4, "net-unreachable", syscall.ENETUNREACH},
		{v4, "host-unreachable", syscall.EHOSTUNREACH},
		{v4, "protocol-unreachable", syscall.ENOPROTOOPT},
		{v4, "port-unreachable", syscall.ECONNREFUSED},
		{v4, "source-route-failed", syscall.EOPNOTSUPP},
		{v4, "net-unknown", syscall.ENETUNREACH},
		{v4, "host-unknown", syscall.EHOSTDOWN},
		{v4, "source-isolated", syscall.ENONET},
		{v4, "net-prohibited", syscall.ENETUNREACH},
		{v4, "host-prohibited", syscall.EHOSTUNREACH},
		{v4, "net-tos-unreachable", syscall.ENETUNREACH},
		{v4, "host-tos-unreachable", syscall.EHOSTUNREACH},
		{v4, "admin-prohibited", syscall.EHOSTUNREACH},
		{v4, "3/14", syscall.EHOSTUNREACH},
		{v4, "3/15", syscall.EHOSTUNREACH},
		{v4, "time-exceeded", syscall.EHOSTUNREACH},
		{v4, "parameter-problem", syscall.EPROTO},
		{v4, "admin-prohibited quote 8", syscall.EHOSTUNREACH},
		{v4, "admin-prohibited from 203.0.113.7", syscall.EHOSTUNREACH},
		{v6, "no-route", syscall.ENETUNREACH},
		{v6, "admin-prohibited", syscall.EACCES},
		{v6, "beyond-scope", syscall.EHOSTUNREACH},
		{v6, "address-unreachable", syscall.EHOSTUNREACH},
		{v6, "port-unreachable", syscall.ECONNREFUSED},
		{v6, "policy-failed", syscall.EACCES},
		{v6, "reject-route", syscall.EACCES},
		{v6, "time-exceeded", syscall.EHOSTUNREACH},
		{v6, "parameter-problem", syscall.EPROTO},
	} {
		to := x.host + ":80"
		if x.host == v6 {
			to = "[" + v6 + "]:80"
		}
		exchange := exchange{to: to, errno: x.errno, after: 20 * ms, script: fmt.Sprintf(`
			host %s
			expect SYN port 80
			after 20ms send icmp %s
			end`, x.host, x.message)}
		t.Run(x.host+" "+x.message, exchange.run)
	}
}

// Those that do not end the attempt.
func TestICMPIgnoredInSynSent(t *testing.T) {
	for _, message := range []string{
		"fragmentation-needed mtu 1300", "4/0", "5/1", "host-unreachable quote 7", "host-unreachable quote none",
		"host-unreachable bad-checksum icmp", "host-unreachable quote to 192.0.2.9",
	} {
		x := exchange{after: 1000 * ms, script: ignored("icmp " + message)}
		t.Run(message, x.run)
	}
}

func TestIPv6(t *testing.T) {
	const host6 = "host 2001:db8::1\n"
	for _, x := range []exchange{
		{name: "open", after: 20 * ms, script: host6 + `
			expect SYN port 80 to 2001:db8::1
			after 20ms send SYN+ACK mss 1420
			expect ACK
			send data "six"
			send FIN+ACK
			end`, then: reads("six", nil)},
		{name: "refused", errno: syscall.ECONNREFUSED, script: host6 + `
			on SYN send RST+ACK
			expect no data for 50ms
			end`},
		{name: "bad checksum", after: 1000 * ms, script: host6 + `
			expect SYN
			send SYN+ACK mss 1420 bad-checksum tcp
			expect SYN
			send SYN+ACK mss 1420
			end`},
		{name: "time exceeded", errno: syscall.EHOSTUNREACH, to: "[2001:db8:1::1]:80", set: hopLimit(1), script: `
			router 192.0.2.254 2001:db8:1:ffff::1
			host 2001:db8:1::1
			expect no any for 50ms
			end`},
	} {
		if x.to == "" {
			x.to = "[2001:db8::1]:80"
		}
		t.Run(x.name, x.run)
	}
}

func hopLimit(n int) func(int) error {
	return func(fd int) error {
		return syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, n)
	}
}
