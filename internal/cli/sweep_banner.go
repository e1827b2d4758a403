package cli

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/results"
)

const (
	listeners   = 64              // ports listened to at once
	bannerBytes = 256             // of what a port says first
	bannerTime  = 1 * time.Second // for it to say that
	tlsTime     = 2 * time.Second // for a TLS handshake
)

// firstWords listens to open ports beside the sweep. Nil does nothing.
type firstWords struct {
	open    chan dialscope.SweepResult
	running sync.WaitGroup
	mu      sync.Mutex
	err     error
}

func (s *sweeping) firstWords(ctx context.Context) *firstWords {
	if !s.banner {
		return nil
	}
	f := &firstWords{open: make(chan dialscope.SweepResult)}
	for range listeners {
		f.running.Go(func() {
			for r := range f.open {
				record := results.Record{SweepResult: r}
				record.Banner, record.TLS = hear(ctx, r.Addr.String())
				if ctx.Err() != nil {
					continue // not heard out: the port is swept again after a resume
				}
				if err := s.record(&record); err != nil {
					f.mu.Lock()
					f.err = err
					f.mu.Unlock()
				}
			}
		})
	}
	return f
}

// take says whether the result is its own to tell.
func (f *firstWords) take(r dialscope.SweepResult) bool {
	if f == nil || r.Outcome != cause.Open {
		return false
	}
	f.open <- r
	return true
}

func (f *firstWords) failure() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// finish waits until every port has been listened to.
func (f *firstWords) finish() error {
	if f == nil {
		return nil
	}
	close(f.open)
	f.running.Wait()
	return f.failure()
}

// hear connects again: first to hear what the port says by itself, then, if
// that is nothing, to try whether it answers TLS. No certificate is judged.
func hear(ctx context.Context, address string) (banner, version string) {
	d := net.Dialer{Timeout: tlsTime}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", ""
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	conn.SetReadDeadline(time.Now().Add(bannerTime))
	b := make([]byte, bannerBytes)
	n, _ := conn.Read(b)
	stop()
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	if n > 0 || ctx.Err() != nil {
		return string(b[:n]), ""
	}
	if conn, err = d.DialContext(ctx, "tcp", address); err != nil {
		return "", ""
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetLinger(0)
	conn.SetDeadline(time.Now().Add(tlsTime))
	host, _, _ := net.SplitHostPort(address)
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: host}) //nolint:gosec // what is asked is only whether it speaks TLS
	if c.HandshakeContext(ctx) != nil {
		return "", ""
	}
	return "", tls.VersionName(c.ConnectionState().Version)
}
