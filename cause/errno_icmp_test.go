package cause

import (
	"testing"

	"github.com/dialscope/dialscope/evidence"
)

func TestICMPMessages(t *testing.T) {
	for _, c := range []struct {
		clause             string
		version, typ, code uint8
		text               string
		errno              evidence.Errno
		ends               bool
	}{
		{"RFC 792: 0 = net unreachable", 4, 3, 0, "net unreachable", "ENETUNREACH", true},
		{"RFC 792: 1 = host unreachable", 4, 3, 1, "host unreachable", "EHOSTUNREACH", true},
		{"RFC 792: 2 = protocol unreachable", 4, 3, 2, "protocol unreachable", "ENOPROTOOPT", true},
		{"RFC 792: 3 = port unreachable", 4, 3, 3, "port unreachable", "ECONNREFUSED", true},
		{"RFC 792: 4 = fragmentation needed and DF set", 4, 3, 4, "fragmentation needed and DF set", "EMSGSIZE", false},
		{"RFC 792: 5 = source route failed", 4, 3, 5, "source route failed", "EOPNOTSUPP", true},
		{"RFC 1122 §3.2.2.1: 6 = destination network unknown", 4, 3, 6, "destination network unknown", "ENETUNREACH", true},
		{"RFC 1122 §3.2.2.1: 7 = destination host unknown", 4, 3, 7, "destination host unknown", "EHOSTDOWN", true},
		{"RFC 1122 §3.2.2.1: 8 = source host isolated", 4, 3, 8, "source host isolated", "ENONET", true},
		{"RFC 1122 §3.2.2.1: 9", 4, 3, 9, "communication with destination network administratively prohibited", "ENETUNREACH", true},
		{"RFC 1122 §3.2.2.1: 10", 4, 3, 10, "communication with destination host administratively prohibited", "EHOSTUNREACH", true},
		{"RFC 1122 §3.2.2.1: 11 = network unreachable for type of service", 4, 3, 11, "network unreachable for type of service", "ENETUNREACH", true},
		{"RFC 1122 §3.2.2.1: 12 = host unreachable for type of service", 4, 3, 12, "host unreachable for type of service", "EHOSTUNREACH", true},
		{"RFC 1812 §5.2.7.1: 13 = Communication Administratively Prohibited", 4, 3, 13, "communication administratively prohibited", "EHOSTUNREACH", true},
		{"RFC 1812 §5.2.7.1: 14 = Host Precedence Violation", 4, 3, 14, "host precedence violation", "EHOSTUNREACH", true},
		{"RFC 1812 §5.2.7.1: 15 = Precedence cutoff in effect", 4, 3, 15, "precedence cutoff in effect", "EHOSTUNREACH", true},
		{"tcp_v4_err: code > NR_ICMP_UNREACH is ignored", 4, 3, 16, "type 3 code 16", "", false},
		{"RFC 6633: source quench is ignored", 4, 4, 0, "source quench", "", false},
		{"RFC 792: redirect, 1 = for the host", 4, 5, 1, "redirect datagrams for the host", "", false},
		{"RFC 792: 0 = time to live exceeded in transit", 4, 11, 0, "time to live exceeded in transit", "EHOSTUNREACH", true},
		{"icmp_unreach: ICMP_EXC_FRAGTIME goes no further", 4, 11, 1, "fragment reassembly time exceeded", "", false},
		{"RFC 792: 0 = pointer indicates the error", 4, 12, 0, "pointer indicates the error", "EPROTO", true},
		{"RFC 1122 §3.2.2.5: 1 = required option is missing", 4, 12, 1, "required option is missing", "EPROTO", true},
		{"an echo reply is no error", 4, 0, 0, "type 0 code 0", "", false},

		{"RFC 4443 §3.1: 0 - No route to destination", 6, 1, 0, "no route to destination", "ENETUNREACH", true},
		{"RFC 4443 §3.1: 1", 6, 1, 1, "communication with destination administratively prohibited", "EACCES", true},
		{"RFC 4443 §3.1: 2 - Beyond scope of source address", 6, 1, 2, "beyond scope of source address", "EHOSTUNREACH", true},
		{"RFC 4443 §3.1: 3 - Address unreachable", 6, 1, 3, "address unreachable", "EHOSTUNREACH", true},
		{"RFC 4443 §3.1: 4 - Port unreachable", 6, 1, 4, "port unreachable", "ECONNREFUSED", true},
		{"RFC 4443 §3.1: 5", 6, 1, 5, "source address failed ingress/egress policy", "EACCES", true},
		{"RFC 4443 §3.1: 6 - Reject route to destination", 6, 1, 6, "reject route to destination", "EACCES", true},
		{"icmpv6_err_convert: a code beyond tab_unreach stays EPROTO", 6, 1, 7, "error in source routing header", "EPROTO", true},
		{"RFC 4443 §3.2: Packet Too Big", 6, 2, 0, "packet too big", "EMSGSIZE", false},
		{"RFC 4443 §3.3: 0 - Hop limit exceeded in transit", 6, 3, 0, "hop limit exceeded in transit", "EHOSTUNREACH", true},
		{"RFC 4443 §3.3: 1 - Fragment reassembly time exceeded", 6, 3, 1, "fragment reassembly time exceeded", "EHOSTUNREACH", true},
		{"RFC 4443 §3.4: 0 - Erroneous header field encountered", 6, 4, 0, "erroneous header field encountered", "EPROTO", true},
		{"RFC 4443 §3.4: 1 - Unrecognized Next Header type encountered", 6, 4, 1, "unrecognized next header type encountered", "EPROTO", true},
		{"RFC 4443 §3.4: 2 - Unrecognized IPv6 option encountered", 6, 4, 2, "unrecognized IPv6 option encountered", "EPROTO", true},
		{"RFC 4443 §2.4 (a): an unknown error type goes to the upper layer", 6, 100, 0, "type 100 code 0", "EPROTO", true},
		{"RFC 4443 §2.1: types 128 to 255 are informational", 6, 129, 0, "type 129 code 0", "", false},
		{"RFC 4861 §4.5: Redirect", 6, 137, 0, "redirect", "", false},
		{"no such version", 5, 3, 0, "type 3 code 0", "", false},
	} {
		t.Run(c.clause, func(t *testing.T) {
			if got := ICMPText(c.version, c.typ, c.code); got != c.text {
				t.Errorf("ICMPText = %q, want %q", got, c.text)
			}
			if errno, ends := ICMPErrno(c.version, c.typ, c.code); errno != c.errno || ends != c.ends {
				t.Errorf("ICMPErrno = %q, %v, want %q, %v", errno, ends, c.errno, c.ends)
			}
		})
	}
}

// Every message that ends an attempt has an errno that the table explains, with
// an outcome other than a fault of this host.
func TestICMPErrnosAreExplained(t *testing.T) {
	for _, version := range []uint8{4, 6} {
		for typ := range uint8(255) {
			for code := range uint8(255) {
				errno, ends := ICMPErrno(version, typ, code)
				if ICMPText(version, typ, code) == "" {
					t.Fatalf("IPv%d type %d code %d has no text", version, typ, code)
				}
				if !ends {
					continue
				}
				if entry, ok := LookupErrno(errno); !ok || entry.Outcome == LocalFault {
					t.Fatalf("IPv%d type %d code %d: %s has outcome %q", version, typ, code, errno, entry.Outcome)
				}
			}
		}
	}
}
