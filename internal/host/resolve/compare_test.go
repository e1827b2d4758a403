package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The same scripted zones, asked by Go's own resolver and by this package: the
// same addresses, or errors of the same kind. Names have a trailing dot, so that
// this host's search list and hosts file play no part.
func TestSameAsGo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Go's resolver reads no resolv.conf there")
	}
	both := func(q asked) []dnsmessage.Resource {
		if q.typ == typeA {
			return []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1"), rrA(q.name, 60, "192.0.2.2")}
		}
		return []dnsmessage.Resource{rrAAAA(q.name, 60, "2001:db8::1")}
	}
	for name, script := range map[string]func(asked) said{
		"both families": func(q asked) said { return said{rrs: both(q)} },
		"IPv4 only": func(q asked) said {
			if q.typ == typeAAAA {
				return said{soa: 60}
			}
			return said{rrs: both(q)}
		},
		"IPv6 only, IPv4 NXDOMAIN": func(q asked) said {
			if q.typ == typeA {
				return said{rcode: dnsmessage.RCodeNameError}
			}
			return said{rrs: both(q)}
		},
		"IPv4 only, IPv6 SERVFAIL": func(q asked) said {
			if q.typ == typeAAAA {
				return said{rcode: dnsmessage.RCodeServerFailure}
			}
			return said{rrs: both(q)}
		},
		"aliases": func(q asked) said {
			target := q
			target.name = "real.example."
			return said{rrs: append([]dnsmessage.Resource{rrCNAME(q.name, 5, "mid.example."), rrCNAME("mid.example.", 5, "real.example.")}, both(target)...)}
		},
		"an address of an unrelated owner": func(q asked) said { q.name = "other.example."; return said{rrs: both(q)} },
		"NXDOMAIN":                         func(asked) said { return said{rcode: dnsmessage.RCodeNameError} },
		"no data":                          func(asked) said { return said{} },
		"dangling alias":                   func(q asked) said { return said{rrs: []dnsmessage.Resource{rrCNAME(q.name, 5, "gone.example.")}} },
		"alias loop": func(q asked) said {
			return said{rrs: []dnsmessage.Resource{rrCNAME(q.name, 5, "b.example."), rrCNAME("b.example.", 5, q.name)}}
		},
		"SERVFAIL":             func(asked) said { return said{rcode: dnsmessage.RCodeServerFailure} },
		"REFUSED":              func(asked) said { return said{rcode: dnsmessage.RCodeRefused} },
		"NOTIMP":               func(asked) said { return said{rcode: dnsmessage.RCodeNotImplemented} },
		"lame":                 func(asked) said { return said{noRA: true, noOPT: true} },
		"truncated":            func(q asked) said { return said{rrs: both(q), tc: q.network == "udp"} },
		"truncated everywhere": func(q asked) said { return said{rrs: both(q), tc: true} },
		"another id first":     func(q asked) said { return said{rrs: both(q), otherID: true} },
		"garbage first":        func(q asked) said { return said{rrs: both(q), before: [][]byte{{1}, []byte("garbage!garbage!")}} },
		"SERVFAIL once": func(q asked) said {
			if q.n == 0 {
				return said{rcode: dnsmessage.RCodeServerFailure}
			}
			return said{rrs: both(q)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const host = "h.example."
			s := serve(t, false, script)
			goes := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, s.addr.String())
			}}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			want, wantErr := goes.LookupNetIP(ctx, "ip", host)

			s = serve(t, false, script)
			o := resolveWith(t, &Config{Servers: []netip.AddrPort{s.addr}}, 0, host)
			var got []netip.Addr
			var errs []*Error
			for _, a := range o.answers {
				got = append(got, a.Addrs...)
				if e := (*Error)(nil); errors.As(a.Err, &e) {
					errs = append(errs, e)
				}
			}
			slices.SortFunc(got, netip.Addr.Compare)
			slices.SortFunc(want, netip.Addr.Compare)
			if !slices.Equal(got, want) {
				t.Errorf("addresses %v, Go has %v", got, want)
			}
			if wantErr == nil {
				return
			}
			var theirs *net.DNSError
			if !errors.As(wantErr, &theirs) {
				t.Fatalf("Go: %v", wantErr)
			}
			ours := Merge(errs...).DNSError(host)
			theirs.Server, ours.Server = "", "" // ours is the scripted one's address
			if ours.Err != theirs.Err || ours.IsNotFound != theirs.IsNotFound || ours.IsTimeout != theirs.IsTimeout ||
				ours.IsTemporary != theirs.IsTemporary || ours.Name != theirs.Name {
				t.Errorf("%+v, Go has %+v", *ours, *theirs)
			}
		})
	}
}

// BenchmarkResolve asks for one type of one name, beside Go's resolver.
func BenchmarkResolve(b *testing.B) {
	s := serve(b, false, func(q asked) said { return said{rrs: []dnsmessage.Resource{rrA(q.name, 60, "192.0.2.1")}} })
	b.Run("resolve", func(b *testing.B) {
		cfg := &Config{Servers: []netip.AddrPort{s.addr}}
		b.ReportAllocs()
		for b.Loop() {
			for range Start(b.Context(), cfg, 4, "h.example.", nil) {
			}
		}
	})
	b.Run("net", func(b *testing.B) {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.addr.String())
		}}
		b.ReportAllocs()
		for b.Loop() {
			r.LookupNetIP(b.Context(), "ip4", "h.example.")
		}
	})
}
