package peer

import (
	"strings"

	"github.com/dialscope/dialscope/internal/wire"
)

// send reads "[after D] send WHAT FIELD...".
func (p *parser) send() *sendStep {
	t := p.next()
	s := &sendStep{line: t.line}
	if t.text == "after" {
		s.after = p.duration()
		t = p.next()
	}
	if t.text != "send" {
		p.fail(t, "\"send\" is wanted")
	}
	s.out = outgoing{window: 0xffff, times: 1, quote: quote{octets: -1}}
	p.what(&s.out)
	for p.peek().kind == word {
		p.field(&s.out)
	}
	return s
}

func (p *parser) what(o *outgoing) {
	t := p.peek()
	switch t.text {
	case "udp":
		o.kind = datagram
	case "echo-reply":
		o.kind = echo
	case "icmp":
		p.next()
		o.kind, o.icmp = icmp, p.icmp()
		return
	case "raw":
		p.next()
		o.kind, o.raw = anyPacket, p.hex()
		return
	case "data":
		o.kind, o.flags = flagged, wire.ACK|wire.PSH
		return // the field "data" comes next
	default:
		flags, ok := wire.ParseFlags(t.text)
		if !ok || t.kind != word {
			p.fail(t, "what to send is wanted: flags such as SYN+ACK, NONE, data, udp, icmp, echo-reply, raw")
		}
		o.kind, o.flags = flagged, flags
	}
	p.next()
}

// field reads one property of a packet that is sent.
func (p *parser) field(o *outgoing) {
	t := p.next()
	switch t.text {
	case "seq":
		o.seq = p.number()
	case "ack":
		o.ack = p.number()
	case "window":
		o.window = uint16(p.integer(0, 0xffff))
	case "urgent":
		o.urgent = uint16(p.integer(0, 0xffff))
	case "data":
		o.payload = p.payload()
	case "mtu":
		o.mtu = uint32(p.integer(0, 1<<31))
	case "pointer":
		o.pointer = uint8(p.integer(0, 255))
	case "quote":
		p.quote(&o.quote)
	case "from":
		o.from = p.addr()
	case "to":
		o.to = p.addrPort()
	case "port":
		o.port = p.port()
	case "client-port":
		o.clientPort = p.port()
	case "ttl":
		n := uint8(p.integer(0, 255))
		o.ttl = &n
	case "hop":
		o.hop = p.integer(1, len(p.script.routers)+1)
	case "tos":
		o.tos = uint8(p.integer(0, 255))
	case "ipid":
		n := uint16(p.integer(0, 0xffff))
		o.id = &n
	case "may-fragment":
		o.mayFragment = true
	case "bad-checksum":
		switch c := p.next(); c.text {
		case "ip":
			o.badIPSum = true
		case "tcp", "udp", "icmp":
			o.badSum = true
		default:
			p.fail(c, "bad-checksum ip, tcp, udp or icmp")
		}
	case "cut":
		o.cut = p.integer(1, 0xffff)
	case "data-offset":
		n := uint8(p.integer(0, 15))
		o.dataOffset = &n
	case "twice":
		o.times = 2
	case "times":
		o.times = p.integer(1, 10000)
	default:
		if !p.option(t, o) {
			p.fail(t, "unknown word after \"send\"")
		}
	}
}

// payload reads a text, a number of octets, or octets after "hex".
func (p *parser) payload() []byte {
	if t := p.peek(); t.kind == quoted {
		p.next()
		return []byte(t.value)
	}
	if p.peek().text == "hex" {
		p.next()
		return p.hex()
	}
	return []byte(strings.Repeat("x", p.integer(0, 0xffff)))
}

// option reads a TCP option; false if the word begins none.
func (p *parser) option(t token, o *outgoing) bool {
	add := func(x wire.Option) { o.options = append(o.options, option{Option: x}) }
	switch t.text {
	case "mss":
		add(wire.MSS(uint16(p.integer(0, 0xffff))))
	case "wscale":
		add(wire.WScale(uint8(p.integer(0, 255))))
	case "sack":
		add(wire.SACK())
	case "nop":
		add(wire.NOP())
	case "ts":
		ts := option{Option: wire.Option{Kind: wire.TimestampOption}}
		if p.isNumber() {
			ts.value = p.number()
		}
		if p.isNumber() {
			ts.echo = p.number()
		}
		o.options = append(o.options, ts)
	case "tfo", "md5":
		x := wire.Option{Kind: optionKinds[t.text]}
		if p.isHex() {
			x.Data = p.hex()
		}
		add(x)
	case "option":
		x := wire.Option{Kind: p.optionKind()}
		if p.isHex() {
			x.Data = p.hex()
		}
		add(x)
	case "options":
		if n := p.peek(); n.text == "none" {
			p.next()
			o.options = nil
		} else {
			o.options = []option{{Option: wire.Option{Data: p.hex()}, raw: true}}
		}
	default:
		return false
	}
	return true
}

// quote reads one word on what an ICMP error quotes; there may be several, each
// after its own "quote".
func (p *parser) quote(q *quote) {
	switch t := p.peek(); t.text {
	case "none":
		p.next()
		q.none = true
	case "seq":
		p.next()
		q.seq = p.number()
	case "port":
		p.next()
		q.port = p.port()
	case "client-port":
		p.next()
		q.clientPort = p.port()
	case "from":
		p.next()
		q.from = p.addr()
	case "to":
		p.next()
		q.to = p.addr()
	default:
		q.octets = p.integer(0, 0xffff)
	}
}
