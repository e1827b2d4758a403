package dialscope_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
)

// dialContext is what net/http, and by this signature nearly every client
// library, takes: database drivers, gRPC's WithContextDialer (without the
// network), Redis and Kafka clients.
type dialContext func(ctx context.Context, network, address string) (net.Conn, error)

var (
	_ dialContext                                                 = new(dialscope.Dialer).DialContext
	_ func(network, address string) (net.Conn, error)             = new(dialscope.Dialer).Dial
	_ func(ctx context.Context, address string) (net.Conn, error) = grpcLike(new(dialscope.Dialer))
	_ interface {
		Dial(string, string) (net.Conn, error)
	} = new(dialscope.Dialer) // x/net/proxy.Dialer
	_ interface { // x/net/proxy.ContextDialer
		DialContext(context.Context, string, string) (net.Conn, error)
	} = new(dialscope.Dialer)
	_ net.Error = new(dialscope.Error)
)

// grpcLike is the dial function of a library that knows TCP only.
func grpcLike(d *dialscope.Dialer) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
}

// dialers are net's and ours, for what must be the same with both.
func dialers() map[string]dialContext {
	return map[string]dialContext{"net": new(net.Dialer).DialContext, "dialscope": new(dialscope.Dialer).DialContext}
}

// client speaks HTTP through a dialer, to a test server if one is given.
func client(t *testing.T, dial dialContext, s *httptest.Server) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: dial, ForceAttemptHTTP2: true}
	if s != nil && s.TLS != nil {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func TestHTTPServesAsWithNet(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proto", r.Proto)
		io.Copy(w, r.Body)
	})
	body := strings.Repeat("dialscope ", 100_000)
	for _, tt := range []struct {
		name  string
		start func(*httptest.Server)
		proto string
	}{
		{"plain", (*httptest.Server).Start, "HTTP/1.1"},
		{"TLS", (*httptest.Server).StartTLS, "HTTP/1.1"},
		{"HTTP/2", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }, "HTTP/2.0"},
	} {
		s := httptest.NewUnstartedServer(echo)
		tt.start(s)
		t.Cleanup(s.Close)
		for name, dial := range dialers() {
			c := client(t, dial, s)
			for range 3 { // the second and third over the first's connection
				resp, err := c.Post(s.URL, "text/plain", strings.NewReader(body))
				if err != nil {
					t.Fatalf("%s, %s: %v", tt.name, name, err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(got) != body || resp.Proto != tt.proto || resp.Header.Get("Proto") != tt.proto {
					t.Errorf("%s, %s: %d octets by %s, %v", tt.name, name, len(got), resp.Proto, err)
				}
			}
		}
	}
}

// closedAddress is a loopback address that was listened at a moment ago.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Through http.Client and its *url.Error the error still is all that net's is,
// and carries the report.
func TestHTTPFailsAsWithNet(t *testing.T) {
	address := closedAddress(t)
	texts := map[string]string{}
	for name, dial := range dialers() {
		_, err := client(t, dial, nil).Get("http://" + address)
		var op *net.OpError
		var call *os.SyscallError
		var timeout net.Error
		if !errors.As(err, &op) || op.Op != "dial" || op.Net != "tcp" || op.Addr.String() != address ||
			!errors.As(err, &call) || !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &timeout) || timeout.Timeout() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		texts[name] = op.Error()
		var e *dialscope.Error
		if is := errors.As(err, &e); is != (name == "dialscope") {
			t.Errorf("%s: *dialscope.Error: %v", name, is)
		} else if is && (e.Report.Verdict().Cause != cause.PortClosed || !strings.Contains(err.Error(), "port-closed")) {
			t.Errorf("%v", err)
		}
	}
	if texts["net"] != texts["dialscope"] {
		t.Errorf("net says %q, we say %q", texts["net"], texts["dialscope"])
	}
}

// A client's timeout, a request's context and a dialer's own timeout end the
// dial as net's timeouts do.
func TestHTTPTimesOutAsWithNet(t *testing.T) {
	late := time.Now().Add(-time.Hour)
	for name, dial := range map[string]dialContext{
		"net":       (&net.Dialer{Deadline: late}).DialContext,
		"dialscope": (&dialscope.Dialer{Deadline: late}).DialContext,
	} {
		_, err := client(t, dial, nil).Get("http://127.0.0.1:9")
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || !os.IsTimeout(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, dialer: %v", name, err)
		}
	}
	for name, dial := range dialers() {
		ctx, cancel := context.WithCancel(t.Context())
		waits := func(ctx context.Context, network, address string) (net.Conn, error) {
			cancel()
			return dial(ctx, network, address)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client(t, waits, nil).Do(request)
		if !errors.Is(err, context.Canceled) || os.IsTimeout(err) {
			t.Errorf("%s, cancelled request: %v", name, err)
		}
	}
}

// startTLS is a server that does not log what clients do to it.
func startTLS(t *testing.T) *httptest.Server {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A certificate that is not trusted is TLS's failure, not the dial's.
func TestTLSFailsAsWithNet(t *testing.T) {
	s := startTLS(t)
	for name, dial := range dialers() {
		c := client(t, dial, nil)
		_, err := c.Get(s.URL)
		var unknown x509.UnknownAuthorityError
		var e *dialscope.Error
		if !errors.As(err, &unknown) || errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What only a real *net.TCPConn can: sendfile(2) and splice(2) by ReadFrom, the
// descriptor, half-close, socket options, deadlines.
func TestConnectionIsNets(t *testing.T) {
	content := bytes.Repeat([]byte("sendfile "), 50_000)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			received <- nil
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		c.Write([]byte("done"))
		received <- b
	}()
	conn, err := new(dialscope.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := conn.(*net.TCPConn)
	for what, err := range map[string]error{
		"SetKeepAlive":       c.SetKeepAlive(true),
		"SetKeepAlivePeriod": c.SetKeepAlivePeriod(time.Minute),
		"SetKeepAliveConfig": c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 2}),
		"SetNoDelay":         c.SetNoDelay(false),
		"SetLinger":          c.SetLinger(5),
		"SetReadBuffer":      c.SetReadBuffer(1 << 16),
		"SetWriteBuffer":     c.SetWriteBuffer(1 << 16),
		"SetDeadline":        c.SetDeadline(time.Now().Add(20 * time.Second)),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	if err := raw.Control(func(fd uintptr) { seen = fd > 2 }); err != nil || !seen {
		t.Errorf("descriptor: %v", err)
	}
	if n, err := c.ReadFrom(file); n != int64(len(content)) || err != nil {
		t.Fatalf("ReadFrom: %d, %v", n, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(c); string(answer) != "done" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if got := <-received; !bytes.Equal(got, content) {
		t.Errorf("%d of %d octets came", len(got), len(content))
	}
}

// tls.Dialer's shape: a TLS client on top of the connection.
func TestTLSOnTop(t *testing.T) {
	s := startTLS(t)
	raw, err := grpcLike(new(dialscope.Dialer))(t.Context(), s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	defer c.Close()
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
	if c.NetConn() != raw {
		t.Error("another connection")
	}
}
