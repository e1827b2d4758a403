package lab

import (
	"fmt"
	"strings"
)

// Draw draws the topology: a line for each host on the way from the client to
// the server, and what hangs beside it.
func (s *Scenario) Draw() string {
	p := s.Plan
	var b strings.Builder
	drawn := map[int]bool{}
	host := "client"
	for {
		b.WriteString(p.title(host) + "\n")
		next := -1
		for i, l := range p.Links {
			if drawn[i] || l.A.Host != host && l.B.Host != host {
				continue
			}
			if next < 0 {
				next = i
			}
		}
		if next < 0 {
			break
		}
		for _, i := range p.parallel(next) {
			drawn[i] = true
			near, far := p.Links[i].A, p.Links[i].B
			if far.Host == host {
				near, far = far, near
			}
			fmt.Fprintf(&b, "  │ %s\n  │ %s\n", near.text(), far.text())
			host = far.Host
		}
	}
	return b.String()
}

// parallel are all links between the same two hosts.
func (p *Plan) parallel(link int) (all []int) {
	l := p.Links[link]
	for i, other := range p.Links {
		if other.A.Host == l.A.Host && other.B.Host == l.B.Host {
			all = append(all, i)
		}
	}
	return all
}

func (p *Plan) title(name string) string {
	h := p.host(name)
	switch {
	case h.Router:
		return "◇ " + name + "  (router)"
	case h.Scripted:
		return "◆ " + name + "  (scripted)"
	}
	return "■ " + name
}

func (e PlanEnd) text() string {
	words := []string{e.Host, e.Interface}
	if e.Interface == "" {
		words = words[:1]
	}
	for _, a := range e.Addrs {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}
