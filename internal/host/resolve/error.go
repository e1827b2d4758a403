package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// Class says in what way a question was not answered with addresses.
type Class string

// The classes of failure.
const (
	NotFound      Class = "not found"    // NXDOMAIN: the name does not exist
	NoData        Class = "no data"      // the name exists and has no record of this type (RFC 2308 §2.2)
	Timeout       Class = "timeout"      // no server answered in the time allowed
	ServerFailure Class = "SERVFAIL"     // the server could not find out
	Refused       Class = "REFUSED"      // the server does not want to answer
	OtherRcode    Class = "rcode"        // FORMERR, NOTIMP and their like
	Unreachable   Class = "unreachable"  // the way to the server failed with an errno
	Malformed     Class = "malformed"    // what came is no answer
	Lame          Class = "lame"         // a referral instead of an answer: the server does not recurse
	InvalidName   Class = "invalid name" // no such name can be asked for
	WrongFamily   Class = "family"       // the hosts file has addresses of the other family only
	Cancelled     Class = "cancelled"    // the caller gave up
	Unsupported   Class = "unsupported"  // this system has no resolver configuration to follow
)

// Error is why a name has no addresses of one type. Err, where not nil, is what
// the system said: an *[net.OpError], a context's error, [errors.ErrUnsupported].
type Error struct {
	Class  Class
	Name   string         // as it was asked: fully qualified, perhaps with a suffix of the search list
	Type   string         // A, AAAA, HTTPS, SVCB; empty when no question was asked
	Server netip.AddrPort // the last server that was asked; invalid when none was
	Rcode  string         // of its answer
	Reason string         // what is wrong with the name or the answer
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	s := "resolve " + e.Name
	if e.Type != "" {
		s += " " + e.Type
	}
	if e.Server.IsValid() {
		s += " at " + e.Server.String()
	}
	s += ": " + e.words()
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// words are those of package net, so that messages and the programs that
// search them stay the same.
func (e *Error) words() string {
	switch e.Class {
	case NotFound, NoData, InvalidName:
		return "no such host"
	case ServerFailure, Refused, OtherRcode:
		return "server misbehaving"
	case Malformed:
		return "cannot unmarshal DNS message"
	case Lame:
		return "lame referral"
	case WrongFamily:
		return "no suitable address found"
	case Cancelled:
		return "operation was canceled"
	case Timeout:
		if e.Err == nil || errors.Is(e.Err, context.DeadlineExceeded) {
			return "i/o timeout"
		}
	}
	if e.Err != nil {
		return e.Err.Error()
	}
	return string(e.Class)
}

// Unwrap returns what the system said.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a longer wait might have helped.
func (e *Error) Timeout() bool { return e.Class == Timeout }

// IsNotFound reports whether the answer is that there is no such name or no
// address, as [net.DNSError] uses the word.
func (e *Error) IsNotFound() bool {
	return e.Class == NotFound || e.Class == NoData || e.Class == InvalidName
}

// DNSError is the error that package net would have given for name, which is
// the name that the user asked for.
func (e *Error) DNSError(name string) *net.DNSError {
	d := &net.DNSError{
		Err:        e.words(),
		Name:       name,
		IsNotFound: e.IsNotFound(),
		IsTimeout:  e.Class == Timeout,
		// As net does it: every failure on the way to a server, and SERVFAIL.
		IsTemporary: e.Class == Timeout || e.Class == Unreachable || e.Class == ServerFailure,
	}
	if e.Server.IsValid() && !e.ended() {
		d.Server = e.Server.String()
	}
	if e.ended() {
		d.UnwrapErr = e.Err
	}
	return d
}

// ended reports that the caller's context, not a server, ended the question.
func (e *Error) ended() bool {
	return errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded)
}

// Merge picks the error that speaks for a whole name from those of its types;
// nil ones are passed over. That the name does not exist (NXDOMAIN) holds for
// every type (RFC 8020 §2); that one type has no record says nothing of
// another type whose question failed, so a failure outweighs it.
func Merge(errs ...*Error) *Error {
	rank := func(e *Error) int {
		switch e.Class {
		case Cancelled:
			return 4
		case NotFound, InvalidName:
			return 3
		case NoData, WrongFamily:
			return 1
		}
		return 2
	}
	var worst *Error
	for _, e := range errs {
		if e != nil && (worst == nil || rank(e) > rank(worst)) {
			worst = e
		}
	}
	return worst
}
