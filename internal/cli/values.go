package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope"
)

// valueError is what is wrong with an option's value, with the remedy.
type valueError struct{ text string }

func (e *valueError) Error() string { return e.text }

func valuef(format string, args ...any) error {
	return &valueError{fmt.Sprintf(format, args...)}
}

// seconds is a duration; a number alone means seconds.
type seconds time.Duration

func (s *seconds) String() string { return time.Duration(*s).String() }
func (s *seconds) Type() string   { return "duration" }
func (s *seconds) Set(text string) error {
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	*s = seconds(d)
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		if d, err = time.ParseDuration(text + "s"); err != nil {
			return 0, valuef("no duration: write 5s, 500ms or 1m30s")
		}
	}
	if d < 0 {
		return 0, valuef("a duration cannot be negative: write 5s, or 0 for no limit")
	}
	return d, nil
}

// delay is the delay between the starts of racing attempts; "off" is negative.
type delay time.Duration

func (d *delay) Type() string { return "duration" }
func (d *delay) String() string {
	if *d < 0 {
		return "off"
	}
	return time.Duration(*d).String()
}

func (d *delay) Set(text string) error {
	if text == "off" {
		*d = -1
		return nil
	}
	parsed, err := parseDuration(text)
	if err != nil {
		return valuef("no delay: write 250ms, or off to try one address after the other")
	}
	*d = max(delay(parsed), 1) // zero is the dialer's default; one nanosecond is as good as none
	return nil
}

// bounded is a whole number between two others, decimal or hexadecimal (0x).
type bounded struct {
	value     *uint32
	low, high uint32
}

func (b bounded) Type() string   { return "number" }
func (b bounded) String() string { return strconv.FormatUint(uint64(*b.value), 10) }
func (b bounded) Set(text string) error {
	digits, hexadecimal := strings.CutPrefix(text, "0x")
	base := 10
	if hexadecimal {
		base = 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || uint32(n) < b.low || uint32(n) > b.high {
		return valuef("write a number from %d to %d", b.low, b.high)
	}
	*b.value = uint32(n)
	return nil
}

// choice is one word of a few.
type choice struct {
	value *string
	words []string
}

func (c choice) Type() string   { return "word" }
func (c choice) String() string { return *c.value }
func (c choice) Set(text string) error {
	for _, word := range c.words {
		if text == word {
			*c.value = text
			return nil
		}
	}
	if len(c.words) == 1 {
		return valuef("write %s", c.words[0])
	}
	return valuef("write %s or %s", strings.Join(c.words[:len(c.words)-1], ", "), c.words[len(c.words)-1])
}

// source is a local address, with a port where one is wanted.
type source struct{ netip.AddrPort }

func (s *source) Type() string { return "address" }
func (s *source) String() string {
	if !s.IsValid() {
		return ""
	}
	return s.AddrPort.String()
}

func (s *source) Set(text string) error {
	parsed, err := parseAddr(text, 0)
	if err != nil {
		return valuef("no address of this host: write 192.0.2.1, 192.0.2.1:5000 or [2001:db8::1]:5000; for an interface by name use --interface")
	}
	s.AddrPort = parsed
	return nil
}

// parseAddr reads an address with or without a port.
func parseAddr(text string, port uint16) (netip.AddrPort, error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if addr, err := netip.ParseAddr(bare); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), port), nil
	}
	both, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(both.Addr().Unmap(), both.Port()), nil
}

// dnsPort is where name servers listen (RFC 1035 §4.2).
const dnsPort = 53

// servers are name servers; the option may be repeated, or hold commas.
type servers []netip.AddrPort

func (s *servers) Type() string { return "address" }
func (s *servers) String() string {
	words := make([]string, len(*s))
	for i, server := range *s {
		words[i] = server.String()
	}
	return strings.Join(words, ",")
}

func (s *servers) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		server, err := parseAddr(strings.TrimSpace(word), dnsPort)
		if err != nil || server.Port() == 0 {
			return valuef("no name server's address: write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53")
		}
		*s = append(*s, server)
	}
	return nil
}

// portRange is LOW-HIGH.
type portRange struct{ dialscope.PortRange }

func (r *portRange) Type() string { return "range" }
func (r *portRange) String() string {
	if r.PortRange == (dialscope.PortRange{}) {
		return ""
	}
	return fmt.Sprintf("%d-%d", r.Low, r.High)
}

func (r *portRange) Set(text string) error {
	first, last, two := strings.Cut(text, "-")
	if !two {
		last = first
	}
	low, lowErr := strconv.ParseUint(first, 10, 16)
	high, highErr := strconv.ParseUint(last, 10, 16)
	if lowErr != nil || highErr != nil || low == 0 || low > high {
		return valuef("no range of ports: write LOW-HIGH between 1 and 65535, for example 40000-40100")
	}
	r.PortRange = dialscope.PortRange{Low: uint16(low), High: uint16(high)}
	return nil
}
