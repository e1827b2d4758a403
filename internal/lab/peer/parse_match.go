package peer

import (
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/wire"
)

// decisive are the flags that say what a segment is: those not named must be
// clear. The others are looked at only when they are named.
const decisive = wire.SYN | wire.FIN | wire.RST | wire.ACK

// match reads what packets are meant. Words that are no condition are handed
// to more, which takes them and returns true or leaves them.
func (p *parser) match(more func(token) bool) match {
	m := p.matchKind()
	for p.peek().kind == word {
		t := p.peek()
		if c := p.condition(t); c != nil {
			m.conditions = append(m.conditions, c)
			continue
		}
		if more == nil || !more(t) {
			break
		}
	}
	return m
}

func (p *parser) matchKind() (m match) {
	t := p.next()
	switch t.text {
	case "any":
		m.kind = anyPacket
	case "tcp":
		m.kind = anySegment
	case "data":
		m.kind = data
	case "udp":
		m.kind = datagram
	case "echo":
		m.kind = echo
	case "icmp":
		m.kind, m.icmp = icmp, p.icmp()
	default:
		flags, ok := wire.ParseFlags(t.text)
		if !ok || t.kind != word {
			p.fail(t, "a packet is wanted: flags such as SYN or SYN+ACK, NONE, tcp, data, udp, echo, icmp, any")
		}
		m.kind, m.set, m.clear = flagged, flags, decisive&^flags
	}
	return m
}

// icmp reads a message's name, or its type and code as 3/13.
func (p *parser) icmp() icmpKind {
	t := p.next()
	typ, code, isNumber := strings.Cut(t.text, "/")
	if isNumber {
		a, err := strconv.ParseUint(typ, 10, 8)
		b, codeErr := strconv.ParseUint(code, 10, 8)
		if err == nil && codeErr == nil {
			return icmpKind{typ: uint8(a), code: uint8(b)}
		}
	}
	_, _, is4 := wire.ICMPNumber(wire.ICMPv4, t.text)
	_, _, is6 := wire.ICMPNumber(wire.ICMPv6, t.text)
	if !is4 && !is6 {
		p.fail(t, "an ICMP message is wanted, such as host-unreachable or 3/1")
	}
	return icmpKind{name: t.text}
}

// condition reads one condition; nil if the word begins none.
func (p *parser) condition(t token) func(*packet) bool {
	switch t.text {
	case "port":
		p.next()
		n := p.port()
		return func(k *packet) bool { return k.port == n }
	case "client-port":
		p.next()
		n := p.port()
		return func(k *packet) bool { return k.clientPort == n }
	case "to":
		p.next()
		a := p.addr()
		return func(k *packet) bool { return k.view.Dst == a }
	case "ttl":
		p.next()
		n := uint8(p.integer(0, 255))
		return func(k *packet) bool { return k.view.TTL == n }
	case "tos":
		p.next()
		n := uint8(p.integer(0, 255))
		return func(k *packet) bool { return k.view.TOS == n }
	case "longer":
		p.next()
		n := p.integer(0, 0xffff)
		return func(k *packet) bool { return len(k.raw) > n }
	case "len":
		p.next()
		n := p.integer(0, 0xffff)
		return func(k *packet) bool { return k.payload() == n }
	case "without":
		p.next()
		f := p.next()
		flags, ok := wire.ParseFlags(f.text)
		if !ok {
			p.fail(f, "flags are wanted")
		}
		return func(k *packet) bool { return k.tcp.Flags&flags == 0 }
	case "seq":
		p.next()
		return p.number().matches(func(k *packet) seqs { return k.seq })
	case "ack":
		p.next()
		return p.number().matches(func(k *packet) seqs { return k.ack })
	case "option", "no-option":
		p.next()
		o := p.optionKind()
		want := t.text == "option"
		return func(k *packet) bool {
			_, has := k.options().Get(o)
			return has == want
		}
	}
	return nil
}

// matches compares with what a packet's number is, absolute and counted.
func (n number) matches(of func(*packet) seqs) func(*packet) bool {
	return func(k *packet) bool {
		s := of(k)
		switch n.base {
		case relative:
			return s.relative == n.n
		case fromISN:
			return s.fromISN == n.n
		}
		return s.absolute == n.n
	}
}

var optionKinds = map[string]wire.OptionKind{
	"mss": wire.MaxSegmentSize, "wscale": wire.WindowScale, "sack": wire.SACKPermitted,
	"ts": wire.TimestampOption, "md5": wire.MD5Signature, "mptcp": wire.Multipath, "tfo": wire.FastOpen,
}

func (p *parser) optionKind() wire.OptionKind {
	if k, named := optionKinds[p.peek().text]; named {
		p.next()
		return k
	}
	return wire.OptionKind(p.integer(2, 255))
}
