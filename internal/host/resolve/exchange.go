package resolve

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// exchange asks one server one question: over UDP, and over TCP when the
// answer was truncated (RFC 7766 §5) or resolv.conf says so. Each packet asked
// is written down.
func (r *resolution) exchange(ctx context.Context, server netip.AddrPort, q question) (*reply, *Error) {
	network := "udp"
	if r.conf.useTCP {
		network = "tcp"
	}
	edns := r.conf.edns
	rep, err := r.ask(ctx, network, server, q, edns)
	// RFC 6891 §7: a server that does not know EDNS says FORMERR, and without
	// an OPT record of its own. It is asked again in the old way.
	if err == nil && edns && (rep.rcode == dnsmessage.RCodeFormatError && !rep.hasOPT || rep.rcode == rcodeBadVersion) {
		edns = false
		rep, err = r.ask(ctx, network, server, q, edns)
	}
	if err == nil && rep.header.Truncated && network == "udp" {
		rep, err = r.ask(ctx, "tcp", server, q, edns)
	}
	return rep, err
}

// ask sends one query on a socket of its own and writes down what came.
func (r *resolution) ask(ctx context.Context, network string, server netip.AddrPort, q question, edns bool) (*reply, *Error) {
	look := &evidence.Lookup{Server: server, Transport: network, Name: q.name.String(), Type: typeName(q.typ)}
	start := time.Now()
	timed, cancel := context.WithDeadline(ctx, start.Add(r.conf.timeout))
	defer cancel()
	rep, err := r.roundTrip(timed, look, q, edns)
	look.Took = time.Since(start)
	var failure *Error
	if err != nil {
		failure = failed(ctx, timed, look, err)
	} else {
		describe(look, rep)
	}
	r.note(evidence.FromDNS, look)
	return rep, failure
}

func (r *resolution) roundTrip(ctx context.Context, look *evidence.Lookup, q question, edns bool) (*reply, error) {
	id, packet, err := q.query(edns, r.conf.trustAD)
	if err != nil {
		return nil, err
	}
	c, release, err := connect(ctx, look.Transport, look.Server)
	if err != nil {
		look.Errno = errnoOf(err)
		return nil, err
	}
	defer release()
	if look.Transport == "tcp" {
		rep, err := askTCP(c, q, id, packet, look)
		look.Errno = errnoOf(err)
		return rep, err
	}
	rep, err := askUDP(c, q, id, packet[2:], look)
	if look.Errno = errnoOf(err); look.Errno != "" {
		look.Offender = offender(c)
	}
	return rep, err
}

// describe copies what an answer says into the evidence. A message whose
// answers cannot be read, and that holds none, is no answer: its rcode is left
// out.
func describe(look *evidence.Lookup, rep *reply) {
	look.Truncated = rep.header.Truncated
	look.Malformed = rep.malformed
	look.EDE = rep.ede
	if rep.unusable() {
		return
	}
	look.Rcode = rcodeName(rep.rcode)
	look.Addrs, look.CNAMEs, look.Services, look.TTL = rep.addrs, rep.cnames, rep.services, rep.ttl
}

// failed turns the end of a question that got no answer into evidence and into
// an error. timed is ctx with the question's own time limit.
func failed(ctx, timed context.Context, look *evidence.Lookup, err error) *Error {
	e := &Error{Name: look.Name, Type: look.Type, Server: look.Server, Reason: look.Malformed, Err: err}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		look.Cancelled = true
		e.Class, e.Err = Cancelled, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		look.Timeout = true
		e.Class = Timeout
		callers, limited := ctx.Deadline()
		if own, _ := timed.Deadline(); limited && callers.Equal(own) {
			e.Err = context.DeadlineExceeded // the caller's time is up, not only the server's
		}
	case errors.Is(err, errNoAnswer), errors.Is(err, errStray):
		if look.Malformed == "" {
			look.Malformed = err.Error()
			e.Reason = look.Malformed
		}
		e.Class = Malformed
	default:
		e.Class = Unreachable
		if look.Errno == "" {
			look.Malformed = err.Error()
		}
	}
	return e
}

// unusable reports that nothing can be taken from a message.
func (r *reply) unusable() bool {
	return r.broken && len(r.addrs) == 0 && len(r.services) == 0
}

// verdict is the error that an answer amounts to, nil when it has records.
// again says that another server may know better.
func (r *reply) verdict(q question, server netip.AddrPort) (e *Error, again bool) {
	e = &Error{Name: q.name.String(), Type: typeName(q.typ), Server: server, Rcode: rcodeName(r.rcode), Reason: r.malformed}
	if e.Reason == "" {
		e.Reason = r.ede
	}
	switch {
	case r.rcode == dnsmessage.RCodeNameError:
		e.Class = NotFound
		return e, false
	case r.unusable():
		e.Class, e.Rcode = Malformed, ""
		return e, true
	case r.lame():
		e.Class = Lame
		return e, true
	case r.rcode == dnsmessage.RCodeServerFailure:
		e.Class = ServerFailure
		return e, true
	case r.rcode == dnsmessage.RCodeRefused:
		e.Class = Refused
		return e, true
	case r.rcode != dnsmessage.RCodeSuccess:
		e.Class = OtherRcode
		return e, true
	case len(r.addrs) == 0 && len(r.services) == 0:
		e.Class = NoData
		return e, false
	}
	return nil, false
}

func typeName(t dnsmessage.Type) string {
	switch t {
	case dnsmessage.TypeA:
		return "A"
	case dnsmessage.TypeAAAA:
		return "AAAA"
	case dnsmessage.TypeHTTPS:
		return "HTTPS"
	}
	return "SVCB"
}
