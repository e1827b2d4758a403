package peer

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Parse reads a script. Its error is a *[SyntaxError], which names the line and
// the word.
func Parse(text string) (script *Script, err error) {
	all, bad := tokens(text)
	if bad != nil {
		return nil, bad
	}
	p := &parser{tokens: all, script: &Script{}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SyntaxError: // of parser.fail, the only one that panics with it
			script, err = nil, e
		default:
			panic(e)
		}
	}()
	p.parse()
	return p.script, nil
}

type parser struct {
	tokens []token
	pos    int
	script *Script
}

func (p *parser) parse() {
	for {
		for p.peek().kind == newline {
			p.next()
		}
		t := p.peek()
		switch {
		case t.kind == eof:
			if len(p.script.hosts) == 0 {
				p.fail(t, "no host: say \"host ADDRESS\"")
			}
			return
		case t.text == "host" || t.text == "router":
			p.node()
		case t.text == "idle":
			p.idle()
		case t.text == "on":
			p.rule()
		default:
			if n := len(p.script.steps); n > 0 {
				if _, over := p.script.steps[n-1].(*endStep); over {
					p.fail(t, "nothing is played after \"end\"")
				}
			}
			p.script.steps = append(p.script.steps, p.step())
		}
		p.endOfStatement()
	}
}

// node reads "host ADDRESS... OPTION..." and the same for routers.
func (p *parser) node() {
	keyword := p.next()
	n := &node{ttl: 64}
	if keyword.text == "router" {
		if len(p.script.hosts) > 0 {
			p.fail(keyword, "routers stand before the hosts that are behind them")
		}
		n.ttl = 255
	}
	for {
		a, err := netip.ParseAddr(p.peek().text)
		if err != nil || p.peek().kind != word {
			break
		}
		if p.script.owner(a) != nil {
			p.fail(p.peek(), "this address is taken")
		}
		n.addrs = append(n.addrs, a.Unmap().WithZone(""))
		p.next()
	}
	if len(n.addrs) == 0 {
		p.fail(p.peek(), "an address is wanted")
	}
	for p.peek().kind == word {
		p.nodeOption(n, keyword.text == "router")
	}
	n.hop = len(p.script.routers) + 1
	if keyword.text == "router" {
		p.script.routers = append(p.script.routers, n)
	} else {
		p.script.hosts = append(p.script.hosts, n)
	}
}

func (p *parser) nodeOption(n *node, router bool) {
	t := p.next()
	switch {
	case t.text == "ttl":
		n.ttl = uint8(p.integer(1, 255))
	case t.text == "rtt":
		n.rtt = p.duration()
	case t.text == "ipid":
		switch v := p.peek(); v.text {
		case "zero":
			p.next()
			n.ipid = idZero
		case "count":
			p.next()
			n.ipid = idCount
		default:
			n.ipid, n.id = idFixed, uint16(p.integer(0, 0xffff))
		}
	case t.text == "silent" && router:
		n.silent = true
	case t.text == "rate" && router:
		n.rate = p.rate()
	case t.text == "mtu" && router:
		n.mtu = p.integer(68, 0xffff) // RFC 791 §3.2
	default:
		p.fail(t, "unknown word; a host takes ttl, rtt, ipid, a router also silent, rate, mtu")
	}
}

func (p *parser) idle() {
	p.next()
	switch t := p.next(); t.text {
	case "ignore":
		p.script.idle = idleIgnore
	case "reset":
		p.script.idle = idleReset
	default:
		p.fail(t, "idle ignore, or idle reset")
	}
}

// rule reads "on MATCH [at ROUTER] [first N] [rate N/D] ACTION".
func (p *parser) rule() {
	r := &rule{line: p.next().line}
	r.match = p.match(func(t token) bool {
		switch t.text {
		case "at":
			p.next()
			a := p.next()
			if r.at = p.script.router(a.text); r.at == nil {
				p.fail(a, "no router has this address")
			}
		case "first":
			p.next()
			r.first = p.integer(1, 1<<30)
		case "rate":
			p.next()
			r.rate = p.rate()
		default:
			return false
		}
		return true
	})
	if p.peek().kind == open {
		p.block(func() { p.action(r) })
	} else {
		p.action(r)
	}
	switch {
	case (r.lose || r.forward) && len(r.actions) > 0, r.lose && r.forward:
		p.fail(token{line: r.line, text: "on"}, "a packet is answered, ignored or forwarded: one of the three")
	case r.forward && r.at == nil:
		p.fail(token{line: r.line, text: "forward"}, "only a router forwards: say \"at ROUTER\"")
	}
	p.script.rules = append(p.script.rules, r)
}

func (p *parser) action(r *rule) {
	switch t := p.peek(); t.text {
	case "ignore", "drop":
		p.next()
		r.lose = true
	case "forward":
		p.next()
		r.forward = true
	case "after", "send":
		r.actions = append(r.actions, p.send())
	default:
		p.fail(t, "an action is wanted: send, after D send, ignore, forward")
	}
}

// block reads statements between braces.
func (p *parser) block(statement func()) {
	begin := p.next()
	if begin.kind != open {
		p.fail(begin, "{ is wanted")
	}
	for n := 0; ; {
		switch t := p.peek(); {
		case t.kind == newline:
			p.next()
		case t.kind == closing:
			p.next()
			if n == 0 {
				p.fail(begin, "nothing between the braces")
			}
			return
		case t.kind == eof:
			p.fail(begin, "without its }")
		default:
			statement()
			n++
			p.endOfStatement()
		}
	}
}

func (p *parser) endOfStatement() {
	switch t := p.peek(); t.kind {
	case newline:
		p.next()
	case eof, closing:
	default:
		p.fail(t, "not expected here")
	}
}

func (s *Script) router(text string) *node {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return nil
	}
	return find(s.routers, a)
}

// owner is the node that has an address.
func (s *Script) owner(a netip.Addr) *node {
	if n := find(s.routers, a); n != nil {
		return n
	}
	return find(s.hosts, a)
}

func find(nodes []*node, a netip.Addr) *node {
	for _, n := range nodes {
		for _, own := range n.addrs {
			if own == a {
				return n
			}
		}
	}
	return nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

// next never goes beyond the last token.
func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != eof {
		p.pos++
	}
	return t
}

func (p *parser) fail(t token, format string, args ...any) {
	panic(&SyntaxError{Line: t.line, Token: t.text, Why: fmt.Sprintf(format, args...)})
}

// since is the text of the tokens from a position to here.
func (p *parser) since(begin int) string {
	var words []string
	for _, t := range p.tokens[begin:p.pos] {
		words = append(words, t.text)
	}
	return strings.Join(words, " ")
}

// maxDuration bounds what a script may wait for: longer is a slip.
const maxDuration = 24 * time.Hour

func (p *parser) duration() time.Duration {
	t := p.next()
	d, err := time.ParseDuration(t.text)
	if err != nil || d < 0 || d > maxDuration {
		p.fail(t, "a duration is wanted, such as 50ms or 1.5s")
	}
	return d
}
