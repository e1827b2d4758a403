package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
)

var unusedServer = netip.MustParseAddrPort("127.0.0.53:53")

func TestErrorWords(t *testing.T) {
	timeout := &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
	for want, e := range map[string]*Error{
		"resolve h.example. A at 127.0.0.53:53: no such host": {Class: NotFound, Name: "h.example.", Type: "A", Server: unusedServer},
		"resolve h.example. A at 127.0.0.53:53: server misbehaving: 22 No Reachable Authority": {Class: ServerFailure, Name: "h.example.", Type: "A", Server: unusedServer,
			Reason: "22 No Reachable Authority"},
		"resolve a..b: no such host: the name has an empty label": {Class: InvalidName, Name: "a..b", Reason: "the name has an empty label"},
		"resolve h. A: read udp: i/o timeout":                     {Class: Timeout, Name: "h.", Type: "A", Err: timeout},
		"resolve h. A: i/o timeout":                               {Class: Timeout, Name: "h.", Type: "A", Err: context.DeadlineExceeded},
		"resolve h: no suitable address found":                    {Class: WrongFamily, Name: "h"},
		"resolve h: unsupported operation":                        {Class: Unsupported, Name: "h", Err: errors.ErrUnsupported},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	e := &Error{Class: Timeout, Name: "h.", Server: unusedServer, Err: timeout}
	if d := e.DNSError("h"); d.Error() != "lookup h on 127.0.0.53:53: read udp: i/o timeout" || d.UnwrapErr != nil {
		t.Errorf("%v, which wraps %v", d, d.UnwrapErr)
	}
	if !errors.Is(e, os.ErrDeadlineExceeded) || !e.Timeout() {
		t.Errorf("%v hides what the system said", e)
	}
}

func TestMerge(t *testing.T) {
	of := func(c Class) *Error { return &Error{Class: c} }
	for _, test := range []struct {
		errs []*Error
		want Class
	}{
		{[]*Error{of(NotFound), of(NotFound)}, NotFound},
		{[]*Error{of(NoData), of(NotFound)}, NotFound},  // RFC 8020 §2
		{[]*Error{of(Timeout), of(NotFound)}, NotFound}, // it holds for every type
		{[]*Error{of(NoData), of(Timeout)}, Timeout},    // the other type may have an address
		{[]*Error{of(ServerFailure), of(NoData)}, ServerFailure},
		{[]*Error{of(ServerFailure), of(Timeout)}, ServerFailure}, // the first
		{[]*Error{of(NotFound), of(Cancelled)}, Cancelled},
		{[]*Error{nil, of(NoData), nil}, NoData},
	} {
		if got := Merge(test.errs...); got.Class != test.want {
			t.Errorf("%v: %q, want %q", test.errs, got.Class, test.want)
		}
	}
	if Merge() != nil || Merge(nil, nil) != nil {
		t.Error("an error of nothing")
	}
}
