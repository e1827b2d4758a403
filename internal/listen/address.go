package listen

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// MostListeners bounds the addresses of one server.
const MostListeners = 1 << 12

// AddressError is an ADDR that cannot be listened on.
type AddressError struct{ Input, Reason, Remedy string }

func (e *AddressError) Error() string {
	return fmt.Sprintf("%q: %s: %s", e.Input, e.Reason, e.Remedy)
}

const sample = "write 127.0.0.1:9000, [::1]:9000, 127.0.0.1:9000-9009, or :0 for a port that the kernel chooses"

// ParseAddress reads ADDR: an address of this host, a colon, and a port or a
// range of ports. Without an address it is 127.0.0.1: whoever wants to be reached
// from other hosts says so, with *:PORT for all addresses of both families, or
// 0.0.0.0:PORT, [::]:PORT. port looks up the name of a service.
func ParseAddress(input string, port func(name string) (uint16, bool)) ([]netip.AddrPort, error) {
	bad := func(reason string) ([]netip.AddrPort, error) {
		return nil, &AddressError{input, reason, sample}
	}
	if whole, err := netip.ParseAddr(unbracketed(input)); err == nil {
		if whole.Is6() && input[0] != '[' {
			return bad("a port is missing, or the brackets around an IPv6 address are")
		}
		return bad("a port is missing")
	}
	host, ports := "", input
	if i := strings.LastIndexByte(input, ':'); i >= 0 {
		host, ports = input[:i], input[i+1:]
	}
	addr, err := parseHost(host)
	if err != nil {
		return bad(err.Error())
	}
	first, last, isRange := strings.Cut(ports, "-")
	low, err := parsePort(first, port)
	if err != nil && isRange {
		// the name of a service may hold a hyphen
		if low, err = parsePort(ports, port); err == nil {
			isRange = false
		}
	}
	if err != nil {
		return bad(err.Error())
	}
	high := low
	if isRange {
		if high, err = parsePort(last, port); err != nil {
			return bad(err.Error())
		}
		if low == 0 || high < low {
			return bad("no range of ports")
		}
	}
	if n := int(high) - int(low) + 1; n > MostListeners {
		return nil, &AddressError{input, fmt.Sprintf("%d ports are too many", n), fmt.Sprintf("one server listens on %d at most", MostListeners)}
	}
	var all []netip.AddrPort
	for p := int(low); p <= int(high); p++ {
		all = append(all, netip.AddrPortFrom(addr, uint16(p)))
	}
	return all, nil
}

func parseHost(host string) (netip.Addr, error) {
	switch host {
	case "", "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case "*":
		return netip.IPv6Unspecified(), nil
	}
	bare := unbracketed(host)
	addr, err := netip.ParseAddr(bare)
	switch {
	case err != nil:
		return addr, fmt.Errorf("%q is no address of this host, and names are not looked up", host)
	case addr.Is6() && bare == host:
		return addr, fmt.Errorf("the brackets around the IPv6 address are missing")
	}
	return addr.Unmap(), nil
}

// unbracketed takes the brackets from "[::1]".
func unbracketed(text string) string {
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		return inner[:len(inner)-1]
	}
	return text
}

func parsePort(text string, service func(string) (uint16, bool)) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil {
		return uint16(n), nil
	}
	if text == "" {
		return 0, fmt.Errorf("a port is missing")
	}
	if strings.Trim(text, "0123456789") == "" {
		return 0, fmt.Errorf("port %s is out of range, ports go to 65535", text)
	}
	if service != nil {
		if port, ok := service(text); ok {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no service is called %q", text)
}
