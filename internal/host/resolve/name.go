package resolve

import (
	"fmt"
	"strings"
)

// maxName is the longest name in presentation format without its trailing dot:
// 255 octets on the wire (RFC 1035 §2.3.4) less the first and last length octet.
const maxName = 253

// checkName says why a host cannot be a domain name, or "". It takes what Go
// takes: letters, digits, hyphens and underscores in labels of 1 to 63 octets
// (RFC 1123 §2.1, with the underscores of RFC 2782), at least one of them no
// digit. Nothing is converted: an internationalised name must come as A-labels
// (RFC 5890 §2.3.2.1).
func checkName(s string) string {
	switch {
	case s == "":
		return "the name is empty"
	case s == ".":
		return "" // the root
	case len(strings.TrimSuffix(s, ".")) > maxName:
		return fmt.Sprintf("the name has %d octets, at most %d are allowed (RFC 1035 §2.3.4)", len(s), maxName)
	}
	numeric := true
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		switch {
		case label == "":
			return "the name has an empty label (two dots in a row, or one in front)"
		case len(label) > 63:
			return fmt.Sprintf("the label %.20q… has %d octets, at most 63 are allowed (RFC 1035 §2.3.4)", label, len(label))
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Sprintf("the label %q begins or ends with a hyphen (RFC 1123 §2.1)", label)
		}
		for i := range len(label) {
			c := label[i]
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '-':
				numeric = false
			case '0' <= c && c <= '9':
			case c >= 0x80:
				return "the name is not ASCII: an internationalised name must be given in its xn-- form (RFC 5890)"
			default:
				return fmt.Sprintf("the character %q cannot stand in a host name (RFC 1123 §2.1)", c)
			}
		}
	}
	if numeric {
		return "a name of digits and dots only is no host name, and no IPv4 address in dotted-quad form either"
	}
	return ""
}

// notInDNS reports the names that must not be asked of a server: .onion
// (RFC 7686 §2).
func notInDNS(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return name == "" || hasSuffixFold(name, ".onion")
}

// isLocalhost reports the names that are this host by definition: localhost
// and all below it (RFC 6761 §6.3).
func isLocalhost(name string) bool {
	name = strings.TrimSuffix(name, ".")
	return strings.EqualFold(name, "localhost") || hasSuffixFold(name, ".localhost")
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// candidateNames lists the fully qualified names to ask one after the other
// (resolv.conf(5), search and ndots). A name with a trailing dot is asked
// alone; one with at least ndots dots is asked as it is before the search list,
// any other after it.
func candidateNames(host string, search []string, ndots int) []string {
	if strings.HasSuffix(host, ".") {
		if notInDNS(host) {
			return nil
		}
		return []string{host}
	}
	absolute := host + "."
	names := make([]string, 0, 1+len(search))
	add := func(name string) {
		if !notInDNS(name) && len(name) <= maxName+1 {
			names = append(names, name)
		}
	}
	enough := strings.Count(host, ".") >= ndots
	if enough {
		add(absolute)
	}
	for _, suffix := range search {
		add(absolute + suffix)
	}
	if !enough {
		add(absolute)
	}
	return names
}
