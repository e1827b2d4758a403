package cause

import (
	"fmt"

	"github.com/dialscope/dialscope/evidence"
)

// ICMP types that report an error (RFC 792, RFC 4443).
const (
	icmp4Unreachable  = 3
	icmp4SourceQuench = 4
	icmp4Redirect     = 5
	icmp4TimeExceeded = 11
	icmp4ParamProblem = 12

	icmp4ReassemblyTime = 1 // code of time exceeded

	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6ParamProblem = 4
	icmp6Redirect     = 137
)

// ICMPText returns what an ICMP message says, in the words of its RFC, lower
// case. Version is 4 or 6. A type and code without words give their numbers:
// "type 3 code 99".
func ICMPText(version, typ, code uint8) string {
	if words := icmpWords(version, typ); int(code) < len(words) {
		return words[code]
	}
	return fmt.Sprintf("type %d code %d", typ, code)
}

// icmpWords returns what the codes of a type say, by code.
func icmpWords(version, typ uint8) []string {
	switch version {
	case 4:
		switch typ {
		case icmp4Unreachable:
			return icmp4UnreachableWords[:]
		case icmp4SourceQuench:
			return icmp4SourceQuenchWords[:]
		case icmp4Redirect:
			return icmp4RedirectWords[:]
		case icmp4TimeExceeded:
			return icmp4TimeExceededWords[:]
		case icmp4ParamProblem:
			return icmp4ParamProblemWords[:]
		}
	case 6:
		switch typ {
		case icmp6Unreachable:
			return icmp6UnreachableWords[:]
		case icmp6TooBig:
			return icmp6TooBigWords[:]
		case icmp6TimeExceeded:
			return icmp6TimeExceededWords[:]
		case icmp6ParamProblem:
			return icmp6ParamProblemWords[:]
		case icmp6Redirect:
			return icmp6RedirectWords[:]
		}
	}
	return nil
}

var icmp4UnreachableWords = [...]string{
	// RFC 792, Destination Unreachable Message.
	0: "net unreachable",
	1: "host unreachable",
	2: "protocol unreachable",
	3: "port unreachable",
	4: "fragmentation needed and DF set",
	5: "source route failed",
	// RFC 1122 §3.2.2.1.
	6:  "destination network unknown",
	7:  "destination host unknown",
	8:  "source host isolated",
	9:  "communication with destination network administratively prohibited",
	10: "communication with destination host administratively prohibited",
	11: "network unreachable for type of service",
	12: "host unreachable for type of service",
	// RFC 1812 §5.2.7.1.
	13: "communication administratively prohibited",
	14: "host precedence violation",
	15: "precedence cutoff in effect",
}

// RFC 792; the second parameter problem is of RFC 1122 §3.2.2.5.
var (
	icmp4SourceQuenchWords = [...]string{"source quench"}
	icmp4RedirectWords     = [...]string{
		"redirect datagrams for the network",
		"redirect datagrams for the host",
		"redirect datagrams for the type of service and network",
		"redirect datagrams for the type of service and host",
	}
	icmp4TimeExceededWords = [...]string{"time to live exceeded in transit", "fragment reassembly time exceeded"}
	icmp4ParamProblemWords = [...]string{"pointer indicates the error", "required option is missing"}
)

var icmp6UnreachableWords = [...]string{
	// RFC 4443 §3.1.
	0: "no route to destination",
	1: "communication with destination administratively prohibited",
	2: "beyond scope of source address",
	3: "address unreachable",
	4: "port unreachable",
	5: "source address failed ingress/egress policy",
	6: "reject route to destination",
	7: "error in source routing header", // RFC 6550 §20.18
	8: "headers too long",               // RFC 8883 §3
}

// RFC 4443 §3.2 to §3.4, RFC 7112 §5, RFC 4861 §4.5.
var (
	icmp6TooBigWords       = [...]string{"packet too big"}
	icmp6TimeExceededWords = [...]string{"hop limit exceeded in transit", "fragment reassembly time exceeded"}
	icmp6ParamProblemWords = [...]string{
		"erroneous header field encountered",
		"unrecognized next header type encountered",
		"unrecognized IPv6 option encountered",
		"IPv6 first fragment has incomplete IPv6 header chain",
	}
	icmp6RedirectWords = [...]string{"redirect"}
)

// ICMPErrno returns what Linux makes of an ICMP message about a TCP socket in
// SYN-SENT (icmp_err_convert and tcp_v4_err, icmpv6_err_convert and tcp_v6_err),
// and whether it ends the attempt. It does so for every message that has an
// errno, except that fragmentation needed and packet too big (EMSGSIZE) only
// lower the packet size. Source quench, redirects, reassembly timeouts over IPv4
// and unknown IPv4 codes have no errno: the kernel ignores them.
func ICMPErrno(version, typ, code uint8) (errno evidence.Errno, ends bool) {
	switch version {
	case 4:
		errno = icmp4Errno(typ, code)
	case 6:
		errno = icmp6Errno(typ, code)
	}
	return errno, errno != "" && errno != "EMSGSIZE"
}

func icmp4Errno(typ, code uint8) evidence.Errno {
	switch typ {
	case icmp4Unreachable:
		if int(code) < len(icmp4UnreachableErrno) {
			return icmp4UnreachableErrno[code]
		}
	case icmp4TimeExceeded:
		if code != icmp4ReassemblyTime { // icmp_unreach goes no further with it
			return "EHOSTUNREACH"
		}
	case icmp4ParamProblem:
		return "EPROTO"
	}
	return ""
}

func icmp6Errno(typ, code uint8) evidence.Errno {
	switch {
	case typ == icmp6Unreachable && int(code) < len(icmp6UnreachableErrno):
		return icmp6UnreachableErrno[code]
	case typ == icmp6TooBig:
		return "EMSGSIZE"
	case typ == icmp6TimeExceeded:
		return "EHOSTUNREACH"
	case typ < 128: // RFC 4443 §2.1: an error message; icmpv6_err_convert starts from EPROTO
		return "EPROTO"
	}
	return ""
}

// icmp4UnreachableErrno is icmp_err_convert (net/ipv4/icmp.c), by code.
var icmp4UnreachableErrno = [...]evidence.Errno{
	0:  "ENETUNREACH",
	1:  "EHOSTUNREACH",
	2:  "ENOPROTOOPT",
	3:  "ECONNREFUSED",
	4:  "EMSGSIZE",
	5:  "EOPNOTSUPP",
	6:  "ENETUNREACH",
	7:  "EHOSTDOWN",
	8:  "ENONET",
	9:  "ENETUNREACH",
	10: "EHOSTUNREACH",
	11: "ENETUNREACH",
	12: "EHOSTUNREACH",
	13: "EHOSTUNREACH",
	14: "EHOSTUNREACH",
	15: "EHOSTUNREACH",
}

// icmp6UnreachableErrno is tab_unreach (net/ipv6/icmp.c), by code.
var icmp6UnreachableErrno = [...]evidence.Errno{
	0: "ENETUNREACH",
	1: "EACCES",
	2: "EHOSTUNREACH",
	3: "EHOSTUNREACH",
	4: "ECONNREFUSED",
	5: "EACCES",
	6: "EACCES",
}
