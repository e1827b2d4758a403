package resolve

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

const (
	// udpSize is the EDNS payload size that is offered: what Go offers, after
	// https://dnsflagday.net/2020/.
	udpSize = 1232
	// maxCNAMEs is how many aliases of one answer are written down.
	maxCNAMEs = 16
)

// question is what a server is asked.
type question struct {
	name dnsmessage.Name
	typ  dnsmessage.Type
}

func newQuestion(name string, typ dnsmessage.Type) (question, error) {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) > 63 {
			return question{}, fmt.Errorf("the label %.20q… has %d octets, at most 63 are allowed (RFC 1035 §2.3.4)", label, len(label))
		}
	}
	n, err := dnsmessage.NewName(name)
	return question{n, typ}, err
}

// query packs the question with a fresh random id. Two octets in front are
// left for the length that TCP wants (RFC 1035 §4.2.2).
func (q question) query(edns, ad bool) (id uint16, packet []byte, err error) {
	var random [2]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	id = binary.BigEndian.Uint16(random[:])
	b := dnsmessage.NewBuilder(make([]byte, 2, 300), dnsmessage.Header{ID: id, RecursionDesired: true, AuthenticData: ad})
	if err = b.StartQuestions(); err != nil {
		return 0, nil, err
	}
	if err = b.Question(dnsmessage.Question{Name: q.name, Type: q.typ, Class: dnsmessage.ClassINET}); err != nil {
		return 0, nil, err
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err = h.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
			return 0, nil, err
		}
		if err = b.StartAdditionals(); err != nil {
			return 0, nil, err
		}
		if err = b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return 0, nil, err
		}
	}
	if packet, err = b.Finish(); err != nil {
		return 0, nil, err
	}
	binary.BigEndian.PutUint16(packet, uint16(len(packet)-2))
	return id, packet, nil
}

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
	return r, ""
}

func (r *reply) note(s string) {
	if r.malformed == "" {
		r.malformed = s
	}
}

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
