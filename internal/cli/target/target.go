// Package target reads what a person writes to name the far end of a
// connection: host:port, a URL, a service name in place of the port, an IPv6
// address in brackets, one by one or as the lines of a file.
//
// Nothing is resolved here but service names, and no packet is sent.
package target

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Target is a host and a port.
type Target struct {
	Host string // a name, or an address; an IPv6 zone is kept
	Port uint16
}

// String gives the form that net.Dial takes: "host:port", IPv6 in brackets.
func (t Target) String() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Addr is the host as an address, if it is a literal one.
func (t Target) Addr() (netip.Addr, bool) {
	a, err := netip.ParseAddr(t.Host)
	return a, err == nil
}

// Error is a target that cannot be read: the input, and what to write instead.
type Error struct {
	Input  string // as it was given, without a URL's password
	Reason string // what is wrong with it
	Remedy string // what to write instead; may be empty
}

// Error is one line; unprintable characters of the input are escaped.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s", shown(e.Input), e.Reason)
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// longest is how much of a bad input an error repeats, in bytes.
const longest = 80

func shown(input string) string {
	if len(input) > longest {
		input = input[:longest] + "…"
	}
	return strconv.Quote(input)
}

// maxName is the longest name that DNS can hold, written with dots and without
// the last one (RFC 1035 §2.3.4: 255 octets on the wire).
const maxName = 253

// Parse reads one target. Service names are looked up for network ("tcp",
// "udp", ...), in this host's services(5) first and in a small table of our own
// second. Every error is an [*Error].
func Parse(input, network string) (Target, error) {
	bad := func(reason, remedy string) (Target, error) {
		return Target{}, &Error{Input: input, Reason: reason, Remedy: remedy}
	}
	text := strings.TrimSpace(input)
	switch {
	case text == "":
		return bad("the target is empty", "write HOST:PORT, for example example.com:443")
	case strings.Contains(text, "://"):
		return parseURL(text, network)
	case strings.ContainsFunc(text, unwanted):
		return bad("a target has no spaces, quotes or control characters", "write HOST:PORT")
	}
	host, port, err := split(text)
	if err != nil {
		return Target{}, err
	}
	host, err = checkHost(text, host)
	if err != nil {
		return Target{}, err
	}
	number, err := parsePort(text, port, network)
	if err != nil {
		return Target{}, err
	}
	return Target{Host: host, Port: number}, nil
}

func unwanted(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune("\"'`<>\\^{}|,;", r)
}

// split takes host and port apart. The port is not looked at yet.
func split(text string) (host, port string, err error) {
	bad := func(reason, remedy string) (string, string, error) {
		return "", "", &Error{Input: text, Reason: reason, Remedy: remedy}
	}
	if rest, bracketed := strings.CutPrefix(text, "["); bracketed {
		inside, after, closed := strings.Cut(rest, "]")
		if !closed {
			return bad("the bracket is not closed", "write ["+strings.TrimSuffix(rest, "]")+"]:PORT")
		}
		addr, parseErr := netip.ParseAddr(inside)
		if parseErr != nil || !addr.Is6() {
			return bad("brackets enclose an IPv6 address", "write "+inside+":PORT without them")
		}
		port, colon := strings.CutPrefix(after, ":")
		if !colon {
			return bad("a port is missing", "dialscope ["+inside+"]:443")
		}
		return inside, port, nil
	}
	switch strings.Count(text, ":") {
	case 0:
		if before, _, path := strings.Cut(text, "/"); path {
			return bad("a path, but no scheme", "write https://"+text+" or "+before+":PORT")
		}
		return bad("a port is missing", "dialscope "+text+":443")
	case 1:
		host, port, _ = strings.Cut(text, ":")
		return host, port, nil
	}
	return bareIPv6(text)
}

// bareIPv6 explains an IPv6 address without brackets: its last group could be
// a port as well.
func bareIPv6(text string) (string, string, error) {
	addr, err := netip.ParseAddr(text)
	cut := strings.LastIndexByte(text, ':')
	head, tail := text[:cut], text[cut+1:]
	shorter, shortErr := netip.ParseAddr(head)
	bad := func(reason, remedy string) (string, string, error) {
		return "", "", &Error{Input: text, Reason: reason, Remedy: remedy}
	}
	_, numErr := strconv.ParseUint(tail, 10, 16)
	switch {
	case err == nil && shortErr == nil && shorter.Is6() && numErr == nil:
		return bad("an IPv6 address needs brackets before its port",
			fmt.Sprintf("write [%s]:%s for port %s of %s, or [%s]:443 for another port of the whole address", head, tail, tail, head, text))
	case err == nil:
		return bad("a port is missing", "dialscope ["+addr.String()+"]:443")
	case shortErr == nil && shorter.Is6():
		return bad("an IPv6 address needs brackets before its port", "write ["+head+"]:"+tail)
	}
	return bad("too many colons for HOST:PORT, and no IPv6 address", "write HOST:PORT or [IPv6]:PORT")
}

// checkHost gives the host as it will be dialed.
func checkHost(input, host string) (string, error) {
	bad := func(reason, remedy string) (string, error) {
		return "", &Error{Input: input, Reason: reason, Remedy: remedy}
	}
	if host == "" {
		return bad("the host is missing", "for this host write localhost"+input)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), nil
	}
	if strings.ContainsAny(host, "/:@?#[]%&=") {
		return bad("this is no host name", "write HOST:PORT, or a whole URL with its scheme")
	}
	if numeric(host) {
		return bad("this is no IPv4 address", "write four numbers from 0 to 255, without leading zeros, or [IPv6]:PORT")
	}
	if !ascii(host) {
		return bad("a host name is written in ASCII", "write its xn-- form (RFC 5890)")
	}
	if len(strings.TrimSuffix(host, ".")) > maxName {
		return bad("the name is longer than DNS allows (253 octets)", "shorten it")
	}
	if host[0] == '.' || strings.Contains(host, "..") {
		return bad("the name has an empty label", "remove the extra dot")
	}
	return host, nil
}

// numeric says that a host is made of digits and dots only: RFC 1123 §2.1
// keeps such forms for addresses, and no top-level domain is all digits.
func numeric(host string) bool {
	return strings.Trim(host, "0123456789.") == ""
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
