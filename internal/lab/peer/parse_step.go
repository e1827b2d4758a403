package peer

// step reads one statement that is played in its turn.
func (p *parser) step() step {
	begin := p.pos
	switch t := p.peek(); t.text {
	case "expect":
		return p.expect()
	case "ignore":
		p.next()
		s := &ignoreStep{line: t.line, count: 1}
		if n := p.peek(); n.kind == word && n.text != "" && n.text[0] >= '0' && n.text[0] <= '9' {
			s.count = p.integer(1, 1<<20)
		}
		s.match = p.match(nil)
		s.text = p.since(begin)
		return s
	case "send", "after":
		return p.send()
	case "wait":
		p.next()
		return &waitStep{t.line, p.duration()}
	case "repeat":
		p.next()
		s := &repeatStep{count: p.integer(1, 1<<20)}
		p.block(func() { s.body = append(s.body, p.step()) })
		return s
	case "reversed":
		p.next()
		s := &reversedStep{line: t.line}
		p.block(func() {
			if t := p.peek(); t.text != "send" {
				p.fail(t, "only sends can be reversed, without \"after\"")
			}
			s.body = append(s.body, p.send())
		})
		return s
	case "end":
		p.next()
		return &endStep{}
	default:
		p.fail(t, "unknown statement; there are host, router, idle, on, expect, ignore, send, after, wait, repeat, reversed, end")
		return nil
	}
}

// expect reads "expect MATCH [within D]" and "expect no MATCH for D".
func (p *parser) expect() step {
	begin := p.pos
	line := p.next().line
	if p.peek().text == "no" {
		p.next()
		s := &absentStep{line: line, match: p.match(nil)}
		if t := p.next(); t.text != "for" {
			p.fail(t, "\"for\" and a duration are wanted")
		}
		s.duration = p.duration()
		s.text = p.since(begin)
		return s
	}
	s := &expectStep{line: line}
	s.match = p.match(func(t token) bool {
		if t.text != "within" {
			return false
		}
		p.next()
		s.min, s.max = p.window()
		return true
	})
	s.text = p.since(begin)
	return s
}
