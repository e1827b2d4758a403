package cause

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// explainName judges a target that had no address to connect to.
func explainName(d *evidence.Dial) Verdict {
	n := nameView{dial: d, host: hostOf(d.Target)}
	for _, e := range d.Log {
		switch f := e.Fact.(type) {
		case *evidence.Lookup:
			if f.Type == "A" || f.Type == "AAAA" {
				n.lookups = append(n.lookups, f)
			}
		case *evidence.Candidates:
			n.candidates = f
		case *evidence.Cancelled:
			n.cancelled = true
		case *evidence.Expired:
			n.expired = true
		case *evidence.ResolverConfig:
			n.config = f
		}
	}
	out := Verdict{Outcome: Unresolved, Finding: n.judge()}
	if out.Cause == "" {
		return Verdict{Outcome: LocalFault} // nothing was looked up: the dial could not be made
	}
	if out.Cause == CancelledByCaller {
		out.Outcome = Cancelled
	}
	if n.errno != "" {
		out.Errno = n.errno
	}
	entry, _ := Lookup(out.Cause)
	b := Blanks{"target": d.Target, "name": n.name(), "detail": n.detail, "errno": string(n.errno)}
	if n.server.IsValid() {
		b["server"] = n.server.Addr().String()
	}
	if n.count > 0 {
		b["count"] = fmt.Sprint(n.count)
	}
	if n.spent > 0 {
		b["elapsed"] = Duration(n.spent)
	}
	if out.Culprit.Address.IsValid() {
		b["culprit"] = out.Culprit.Address.String()
	}
	out.Explanation, out.Remedy = entry.Fill(b)
	out.Rule = string(out.Cause)
	return out
}

// hostOf is the host of "host:port", without the brackets of an IPv6 address.
func hostOf(target string) string {
	if i := strings.LastIndexByte(target, ':'); i >= 0 {
		target = target[:i]
	}
	return strings.Trim(target, "[]")
}

// nameView is what the questions about a name came to.
type nameView struct {
	dial       *evidence.Dial
	host       string
	lookups    []*evidence.Lookup
	candidates *evidence.Candidates
	config     *evidence.ResolverConfig
	cancelled  bool
	expired    bool

	// What judge found, for the words.
	server netip.AddrPort
	detail string
	errno  evidence.Errno
	count  int
	spent  time.Duration
}

// name is the name as it was asked, without the trailing dot.
func (n *nameView) name() string { return n.host }

// judge picks what speaks for the name: an answer that there is no such name
// outweighs a server that failed, and that outweighs silence of another, as a
// resolver that goes on to the next server has it (resolv.conf(5)).
func (n *nameView) judge() Finding {
	var no, failed, refused, unreachable, silent *evidence.Lookup
	for i, l := range n.lookups {
		if l.Cancelled || n.askedAgain(i) {
			continue
		}
		switch {
		case l.Timeout: // with Malformed: only strays came
			silent = l
			n.spent += l.Took
		case l.Rcode == "NXDOMAIN" || l.Rcode == "NOERROR" && len(l.Addrs) == 0 && l.Malformed == "" && !l.Truncated:
			no = l
		case l.Rcode == "REFUSED" || l.Errno == "ECONNREFUSED":
			refused = l
		case l.Rcode != "" && l.Rcode != "NOERROR" || l.Malformed != "":
			failed = l
		case l.Errno != "":
			unreachable = l
		}
	}
	if n.cancelled {
		return Finding{Cause: CancelledByCaller, Culprit: Culprit{Kind: Local}, Confidence: Certain}
	}
	switch {
	case no != nil && failed == nil && silent == nil && refused == nil && unreachable == nil:
		n.detail = no.Rcode
		if no.Rcode == "NOERROR" {
			n.detail = "no A or AAAA records"
		}
		return n.blame(NameNotFound, no, Certain)
	case no != nil && no.Rcode == "NXDOMAIN": // it holds for every type (RFC 8020 §2)
		n.detail = no.Rcode
		return n.blame(NameNotFound, no, Likely)
	case failed != nil:
		n.detail = failed.Rcode
		if failed.Malformed != "" {
			n.detail = failed.Malformed
		}
		if failed.EDE != "" {
			n.detail += ", " + failed.EDE
		}
		return n.blame(ResolverFailure, failed, either(no == nil && refused == nil && unreachable == nil, Certain, Likely))
	case refused != nil:
		n.detail = "REFUSED"
		if n.errno = refused.Errno; n.errno != "" {
			n.detail = fmt.Sprintf("port %d is closed", refused.Server.Port())
		}
		return n.blame(ResolverRefused, refused, either(silent == nil && unreachable == nil, Certain, Likely))
	case unreachable != nil:
		n.errno = unreachable.Errno
		n.detail = string(unreachable.Errno)
		if o := unreachable.Offender; o.IsValid() {
			n.detail += ", says " + o.String()
		} else if unreachable.Errno == "ENETUNREACH" {
			n.detail += ", no route on this host"
		}
		f := n.blame(ResolverUnreachable, unreachable, either(silent == nil, Certain, Likely))
		if o := unreachable.Offender; o.IsValid() && o != unreachable.Server.Addr() && !o.IsLoopback() {
			f.Culprit = Culprit{Kind: Router, Address: o}
		}
		return f
	case silent != nil:
		n.count = len(n.lookups)
		if n.candidates != nil {
			n.spent = n.candidates.Took
		}
		return n.blame(ResolverTimeout, silent, either(no == nil, Certain, Likely))
	case no != nil:
		n.detail = "no A or AAAA records"
		return n.blame(NameNotFound, no, Likely)
	}
	return n.unasked()
}

// askedAgain says that a later question replaces this one: over TCP after
// truncation, without EDNS after FORMERR, or in another round.
func (n *nameView) askedAgain(i int) bool {
	l := n.lookups[i]
	return slices.ContainsFunc(n.lookups[i+1:], func(later *evidence.Lookup) bool {
		return later.Server == l.Server && later.Type == l.Type && later.Name == l.Name && !later.Cancelled
	})
}

func (n *nameView) blame(id ID, l *evidence.Lookup, c Confidence) Finding {
	n.server = l.Server
	return Finding{Cause: id, Culprit: Culprit{Kind: Resolver, Address: l.Server.Addr()}, Confidence: c}
}

// unasked judges a name that no server of ours was asked about: the hosts file,
// an invalid name, a resolver of the caller's, or a deadline that came first.
func (n *nameView) unasked() Finding {
	resolver := Culprit{Kind: Resolver}
	switch {
	case n.expired:
		return Finding{Cause: ResolverTimeout, Culprit: resolver, Confidence: Likely}
	case n.candidates == nil:
		return Finding{}
	case n.candidates.Absent:
		n.detail = n.candidates.Error
		return Finding{Cause: NameNotFound, Culprit: resolver, Confidence: either(n.config != nil, Certain, Likely)}
	}
	n.detail = n.candidates.Error
	return Finding{Cause: ResolverFailure, Culprit: resolver, Confidence: Possible}
}
