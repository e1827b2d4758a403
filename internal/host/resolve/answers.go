package resolve

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// maxCNAMEs is how many aliases of one answer are written down.
const maxCNAMEs = 16

const noTTL = ^uint32(0)

// answers gathers the answer section.
type answers struct {
	*reply
	typ     dnsmessage.Type
	ttl     uint32
	aliases map[string]string // lower-case owner → target
	bad     bool              // a malformed SVCB record spoils the set
}

func (a *answers) read(p *dnsmessage.Parser) error {
	for {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return nil
		}
		if err != nil {
			return err
		}
		a.empty = false
		if h.Class != dnsmessage.ClassINET {
			if err := p.SkipAnswer(); err != nil {
				return err
			}
			continue
		}
		if err := a.record(p, h); err != nil {
			return err
		}
	}
}

func (a *answers) record(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) error {
	switch {
	case h.Type == dnsmessage.TypeCNAME:
		c, err := p.CNAMEResource()
		if err != nil {
			return err
		}
		if a.aliases == nil {
			a.aliases = map[string]string{}
		}
		a.aliases[strings.ToLower(printableName(h.Name))] = printableName(c.CNAME)
	case h.Type != a.typ:
		return p.SkipAnswer()
	case h.Type == dnsmessage.TypeA:
		if h.Length != 4 {
			return fmt.Errorf("an A record of %d octets", h.Length)
		}
		r, err := p.AResource()
		if err != nil {
			return err
		}
		a.addrs = append(a.addrs, netip.AddrFrom4(r.A))
	case h.Type == dnsmessage.TypeAAAA:
		if h.Length != 16 {
			return fmt.Errorf("an AAAA record of %d octets", h.Length)
		}
		r, err := p.AAAAResource()
		if err != nil {
			return err
		}
		a.addrs = append(a.addrs, netip.AddrFrom16(r.AAAA))
	case h.Type == dnsmessage.TypeSVCB, h.Type == dnsmessage.TypeHTTPS:
		return a.svcb(p, h)
	default:
		return p.SkipAnswer()
	}
	a.ttl = min(a.ttl, h.TTL)
	return nil
}

func (a *answers) svcb(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) error {
	var r dnsmessage.SVCBResource
	var err error
	if h.Type == dnsmessage.TypeSVCB {
		r, err = p.SVCBResource()
	} else {
		var https dnsmessage.HTTPSResource
		https, err = p.HTTPSResource()
		r = https.SVCBResource
	}
	if err != nil {
		a.bad = true
		a.note("a service record cannot be read: " + parserWords(err))
		return p.SkipAnswer()
	}
	s, err := service(&r)
	if err != nil {
		a.bad = true
		a.note(err.Error())
		return nil
	}
	a.ttl = min(a.ttl, h.TTL)
	a.owner = printableName(h.Name)
	a.services = append(a.services, s)
	return nil
}

// finish puts the aliases in order and settles the TTL.
func (a *answers) finish(asked dnsmessage.Name) {
	if a.bad {
		a.services = nil // RFC 9460 §2.2: a malformed record spoils the set
	}
	if a.ttl != noTTL {
		a.reply.ttl = a.ttl
	}
	if len(a.aliases) == 0 {
		return
	}
	at, seen := printableName(asked), map[string]bool{}
	for {
		key := strings.ToLower(at)
		if seen[key] {
			a.note("the CNAME chain is a loop")
			return
		}
		seen[key] = true
		next, ok := a.aliases[key]
		if !ok {
			return
		}
		if len(a.cnames) == maxCNAMEs {
			a.note(fmt.Sprintf("more than %d CNAMEs", maxCNAMEs))
			return
		}
		a.cnames = append(a.cnames, next)
		at = next
	}
}
