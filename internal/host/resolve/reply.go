package resolve

import (
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// reply is an answer to one question, taken apart.
type reply struct {
	header    dnsmessage.Header
	rcode     dnsmessage.RCode // with the bits of EDNS (RFC 6891 §6.1.3)
	addrs     []netip.Addr
	cnames    []string // in the order of the chain
	services  []evidence.Service
	owner     string // of the services
	ttl       uint32
	ede       string
	malformed string // what of it could not be used
	hasOPT    bool
	empty     bool // no record in the answer section
	bare      bool // none in the additional section
	broken    bool // the answer section ends in something that is no record
}

// parseReply takes a message apart. stray says why it is no answer to this
// question at all, and that the wait for the answer goes on.
func parseReply(msg []byte, id uint16, q question) (r *reply, stray string) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return nil, "not a DNS message"
	}
	if h.ID != id {
		return nil, "another id"
	}
	if !h.Response {
		return nil, "a question, not an answer"
	}
	asked, err := p.Question()
	if err != nil {
		return nil, "no question in it"
	}
	if asked.Type != q.typ || asked.Class != dnsmessage.ClassINET || !equalName(asked.Name, q.name) {
		return nil, "an answer to another question"
	}
	r = &reply{header: h, rcode: h.RCode, bare: true, empty: true}
	if err := p.SkipQuestion(); err != dnsmessage.ErrSectionDone {
		r.broken, r.malformed = true, "more than one question in it"
		return r, ""
	}
	a := answers{reply: r, typ: q.typ, ttl: noTTL}
	if err := a.read(&p); err != nil {
		r.broken = true
		r.note("the answer section cannot be read: " + parserWords(err))
		a.finish(q.name)
		return r, "" // where the next section begins is not known
	}
	a.finish(q.name)
	if len(r.addrs) == 0 && len(r.services) == 0 {
		r.negativeTTL(&p)
	} else if p.SkipAllAuthorities() != nil {
		return r, ""
	}
	r.additional(&p)
	if r.lame() {
		r.note("a referral to other servers: this one does not recurse")
	}
	return r, ""
}

// lame is how libresolv, and Go after it, recognise a referral instead of an
// answer (go.dev/issue/15434).
func (r *reply) lame() bool {
	return r.rcode == dnsmessage.RCodeSuccess && r.empty && r.bare && !r.header.Authoritative && !r.header.RecursionAvailable
}

func (r *reply) note(s string) {
	if r.malformed == "" {
		r.malformed = s
	}
}

// negativeTTL is how long the absence may be remembered (RFC 2308 §5): the
// smaller of the SOA record's own TTL and its MINIMUM field.
func (r *reply) negativeTTL(p *dnsmessage.Parser) {
	for {
		h, err := p.AuthorityHeader()
		if err != nil {
			return
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return
		}
		if r.ttl == 0 {
			r.ttl = min(h.TTL, soa.MinTTL)
		}
	}
}

// additional looks for EDNS: the extended rcode and what the server has to say
// (RFC 8914).
func (r *reply) additional(p *dnsmessage.Parser) {
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return
		}
		r.bare = false
		if h.Type != dnsmessage.TypeOPT || r.hasOPT {
			if p.SkipAdditional() != nil {
				return
			}
			continue
		}
		r.hasOPT = true
		r.rcode = h.ExtendedRCode(r.header.RCode)
		opt, err := p.OPTResource()
		if err != nil {
			r.note("the OPT record cannot be read")
			return
		}
		for _, o := range opt.Options {
			if o.Code != optionEDE {
				continue
			}
			if text := edeText(o.Data); text != "" && r.ede == "" {
				r.ede = text
			} else if text != "" && len(r.ede) < 4*maxEDEText {
				r.ede += "; " + text
			}
		}
	}
}

// printableName is a name as a server sent it, safe to print.
func printableName(n dnsmessage.Name) string { return printable(n.Data[:n.Length], len(n.Data)) }

func parserWords(err error) string { return strings.TrimPrefix(err.Error(), "dnsmessage: ") }

// equalName compares names without case (RFC 4343).
func equalName(a, b dnsmessage.Name) bool {
	return a.Length == b.Length && strings.EqualFold(string(a.Data[:a.Length]), string(b.Data[:b.Length]))
}
