package resolve

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/dns/dnsmessage"
)

// rcodeName is the mnemonic of a response code, extended ones included (IANA
// "DNS RCODEs").
func rcodeName(r dnsmessage.RCode) string {
	if name, ok := rcodeNames[r]; ok {
		return name
	}
	return "RCODE" + strconv.Itoa(int(r))
}

const rcodeBadVersion dnsmessage.RCode = 16 // RFC 6891 §9

var rcodeNames = map[dnsmessage.RCode]string{
	0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
	6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI",
	16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME", 21: "BADALG",
	22: "BADTRUNC", 23: "BADCOOKIE",
}

const (
	optionEDE  = 15  // RFC 8914 §2
	maxEDEText = 200 // octets of a server's extra text that are kept
)

// edeText reads one Extended DNS Error (RFC 8914 §2): a 16-bit code, then text
// for people: "22 No Reachable Authority: ns1.example timed out".
func edeText(option []byte) string {
	if len(option) < 2 {
		return ""
	}
	code := binary.BigEndian.Uint16(option)
	s := strconv.Itoa(int(code))
	if int(code) < len(edeNames) {
		s += " " + edeNames[code]
	}
	if extra := printable(option[2:], maxEDEText); extra != "" {
		s += ": " + extra
	}
	return s
}

// edeNames are the purposes of the codes from 0 (IANA "Extended DNS Error Codes").
var edeNames = [...]string{
	"Other Error", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer",
	"Forged Answer", "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired",
	"Signature Not Yet Valid", "DNSKEY Missing", "RRSIGs Missing", "No Zone Key Bit Set",
	"NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored", "Filtered", "Prohibited",
	"Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported", "No Reachable Authority",
	"Network Error", "Invalid Data", "Signature Expired before Valid", "Too Early",
	"Unsupported NSEC3 Iterations Value", "Unable to conform to policy", "Synthesized",
	"Invalid Query Type",
}

// printable makes text from a server safe for a terminal and a log: control
// characters and what is not UTF-8 become U+FFFD; at most limit octets.
func printable(b []byte, limit int) string {
	b = b[:min(len(b), limit)]
	for len(b) > 0 && b[len(b)-1] == 0 { // RFC 8914 §2: a trailing NUL is to be tolerated
		b = b[:len(b)-1]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || 0x7f <= r && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(string(b), string(utf8.RuneError)))
}
