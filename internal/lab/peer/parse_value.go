package peer

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

func (p *parser) integer(low, high int) int {
	t := p.next()
	n, err := strconv.ParseInt(t.text, 0, 64)
	if err != nil || t.kind != word || n < int64(low) || n > int64(high) {
		p.fail(t, "a number from %d to %d is wanted", low, high)
	}
	return int(n)
}

func (p *parser) port() uint16 { return uint16(p.integer(0, 0xffff)) }

func (p *parser) addr() netip.Addr {
	t := p.next()
	a, err := netip.ParseAddr(t.text)
	if err != nil {
		p.fail(t, "an address is wanted")
	}
	return a.Unmap()
}

func (p *parser) addrPort() netip.AddrPort {
	t := p.next()
	a, err := netip.ParseAddrPort(t.text)
	if err != nil {
		p.fail(t, "an address and port are wanted, such as 192.0.2.1:80 or [2001:db8::1]:80")
	}
	return a
}

// hex reads octets; an even number of digits.
func (p *parser) hex() []byte {
	t := p.next()
	b, err := hex.DecodeString(t.text)
	if err != nil || len(b) == 0 || t.kind != word {
		p.fail(t, "octets in hexadecimal are wanted")
	}
	return b
}

// isHex reports whether the next word can be read by hex.
func (p *parser) isHex() bool {
	t := p.peek()
	b, err := hex.DecodeString(t.text)
	return t.kind == word && err == nil && len(b) > 0
}

// number reads 1000, 0xffff, +1, -1, isn, isn+1.
func (p *parser) number() number {
	t := p.next()
	n, ok := parseNumber(t.text)
	if !ok || t.kind != word {
		p.fail(t, "a number is wanted: 1000, +1, -1, isn or isn+1")
	}
	return n
}

func parseNumber(s string) (number, bool) {
	rest, fromStart := strings.CutPrefix(s, "isn")
	switch {
	case fromStart && rest == "":
		return number{base: fromISN}, true
	case rest == "":
		return number{}, false
	}
	signed := rest[0] == '+' || rest[0] == '-'
	if fromStart && !signed {
		return number{}, false
	}
	v, err := strconv.ParseInt(rest, 0, 64)
	if err != nil || v > 1<<32-1 || v < -(1<<32-1) {
		return number{}, false
	}
	n := number{base: absolute, n: uint32(v)}
	switch {
	case fromStart:
		n.base = fromISN
	case signed:
		n.base = relative
	}
	return n, true
}

// isNumber reports whether the next word can be read by number.
func (p *parser) isNumber() bool {
	t := p.peek()
	_, ok := parseNumber(t.text)
	return ok && t.kind == word
}

// rate reads 1/s or 5/100ms.
func (p *parser) rate() *rate {
	t := p.next()
	count, per, found := strings.Cut(t.text, "/")
	n, err := strconv.Atoi(count)
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, durationErr := time.ParseDuration(per)
	if !found || err != nil || durationErr != nil || n < 1 || d <= 0 || d > maxDuration {
		p.fail(t, "a rate is wanted, such as 1/s or 5/100ms")
	}
	return &rate{n, d}
}

// window reads D or D..D.
func (p *parser) window() (low, high time.Duration) {
	t := p.next()
	from, to, isRange := strings.Cut(t.text, "..")
	if !isRange {
		from, to = "0s", t.text
	}
	low, err := time.ParseDuration(from)
	high, highErr := time.ParseDuration(to)
	if err != nil || highErr != nil || low < 0 || high < low || high == 0 || high > maxDuration {
		p.fail(t, "a time is wanted, such as 5s or 900ms..1.2s")
	}
	return low, high
}
