package talk_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/talk"
	"github.com/dialscope/dialscope/internal/testmain"
)

func TestMain(m *testing.M) { testmain.Main(m, testmain.InPlace()) }

// peerThat is a connection whose other end is played by a function.
func peerThat(t *testing.T, play func(*net.TCPConn)) *dialscope.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	played := make(chan struct{})
	go func() {
		defer close(played)
		c, err := l.Accept()
		if err != nil {
			return
		}
		play(c.(*net.TCPConn))
		c.Close()
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.Close(); <-played })
	return dialscope.Watch(c)
}

func echo(c *net.TCPConn) { io.Copy(c, struct{ io.Reader }{c}) } //nolint:errcheck // it ends

// More than memory should hold goes through, byte by byte the same.
func TestBothWays(t *testing.T) {
	sent := make([]byte, 8<<20)
	rand.Read(sent)
	var out bytes.Buffer
	c := peerThat(t, echo)
	if err := talk.Run(t.Context(), c, talk.Config{In: bytes.NewReader(sent), Out: &out, HalfClose: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), sent) {
		t.Errorf("%d bytes came back of %d, or others", out.Len(), len(sent))
	}
	if v := c.Verdict(); v.Cause != cause.PeerClosed || v.Culprit.Kind != cause.Nobody {
		t.Errorf("%+v", v)
	}
}

// The text goes first, and without HalfClose nothing ends the connection but the peer.
func TestSendAndKeepOpen(t *testing.T) {
	heard := make(chan string, 1)
	c := peerThat(t, func(c *net.TCPConn) {
		b := make([]byte, 8)
		n, _ := io.ReadFull(c, b)
		heard <- string(b[:n])
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := c.Read(b); err == io.EOF {
			heard <- "FIN"
		}
	})
	if err := talk.Run(t.Context(), c, talk.Config{Send: []byte("text"), In: strings.NewReader("more"), Out: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "textmore" {
		t.Errorf("%q", got)
	}
	if len(heard) > 0 {
		t.Error("FIN was sent")
	}
}

// The peer has closed, and the input goes on without saying anything: that is the end.
func TestPeerClosesWhileInputIsSilent(t *testing.T) {
	in, w := io.Pipe()
	defer w.Close()
	defer in.Close()
	c := peerThat(t, func(*net.TCPConn) {})
	if err := talk.Run(t.Context(), c, talk.Config{In: in, Out: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if v := c.Verdict(); v.Cause != cause.PeerClosed || v.Culprit.Kind != cause.Destination {
		t.Errorf("%+v", v)
	}
}

// A peer that has sent FIN may still read: what is being sent is sent to its end.
func TestPeerFinishesAndReadsOn(t *testing.T) {
	total := make(chan int64, 1)
	c := peerThat(t, func(c *net.TCPConn) {
		c.CloseWrite()
		n, _ := io.Copy(io.Discard, c)
		total <- n
	})
	const size = 4 << 20
	if err := talk.Run(t.Context(), c, talk.Config{In: io.LimitReader(zeros{}, size), Out: io.Discard, HalfClose: true}); err != nil {
		t.Fatal(err)
	}
	if n := <-total; n != size {
		t.Errorf("%d of %d bytes", n, size)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestHeartbeat(t *testing.T) {
	heard := make(chan string, 1)
	c := peerThat(t, func(c *net.TCPConn) {
		b := make([]byte, 6)
		io.ReadFull(c, b)
		heard <- string(b)
	})
	if err := talk.Run(t.Context(), c, talk.Config{Out: io.Discard, Heartbeat: 5 * time.Millisecond, Beat: []byte("hb")}); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "hbhbhb" {
		t.Errorf("%q", got)
	}
}

func TestLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c := peerThat(t, echo)
	if err := talk.Run(ctx, c, talk.Config{Out: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if v := c.Verdict(); v.Cause != cause.IsOpen || v.Outcome != cause.Open {
		t.Errorf("%+v", v)
	}
}

// This end's own input and output fail by themselves.
func TestOwnFaults(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, c := range map[string]talk.Config{
		"input":  {In: bad{broken}, Out: io.Discard},
		"output": {In: strings.NewReader("x"), Out: bad{broken}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := peerThat(t, echo)
			if err := talk.Run(t.Context(), conn, c); !errors.Is(err, broken) {
				t.Errorf("%v", err)
			}
			if v := conn.Verdict(); v.Errno != "" {
				t.Errorf("%+v", v)
			}
		})
	}
}

type bad struct{ err error }

func (b bad) Read([]byte) (int, error)  { return 0, b.err }
func (b bad) Write([]byte) (int, error) { return 0, b.err }

// Datagrams: one a line, without its end.
func TestLines(t *testing.T) {
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	conn, err := net.Dial("udp", peer.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := talk.Run(ctx, dialscope.Watch(conn), talk.Config{In: strings.NewReader("one\n\nthree"), Out: io.Discard, Datagrams: true, Lines: true}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, want := range []string{"one", "", "three"} {
		peer.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, _, err := peer.ReadFrom(buf)
		if err != nil || string(buf[:n]) != want {
			t.Errorf("%q, %v; want %q", buf[:n], err, want)
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(255), Subject: pkix.Name{CommonName: "peer"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"peer.test"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	server := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"echo"}}
	serve := func(c *net.TCPConn) {
		s := tls.Server(c, server)
		io.Copy(s, struct{ io.Reader }{s})
		s.Close()
	}
	for _, tt := range []struct {
		name    string
		secure  talk.Secure
		trusted bool
		fails   error
		why     string
	}{
		{"trusted", talk.Secure{Name: "peer.test", ALPN: []string{"echo"}, Roots: roots}, true, nil, ""},
		{"another name", talk.Secure{Name: "other.test", Roots: roots}, false, talk.ErrUntrusted, "other.test"},
		{"unknown authority", talk.Secure{Name: "peer.test", Roots: x509.NewCertPool()}, false, talk.ErrUntrusted, "unknown authority"},
		{"unknown, and talked to", talk.Secure{Name: "peer.test", Roots: x509.NewCertPool(), Insecure: true}, false, nil, "unknown authority"},
		{"expired", talk.Secure{Name: "peer.test", Roots: roots, Now: func() time.Time { return time.Now().Add(48 * time.Hour) }}, false, talk.ErrUntrusted, "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := peerThat(t, serve)
			stream, facts, err := tt.secure.Handshake(t.Context(), c)
			if !errors.Is(err, tt.fails) {
				t.Fatalf("%v", err)
			}
			if facts.Trusted != tt.trusted || !strings.Contains(facts.Why, tt.why) || facts.Certificate == nil {
				t.Fatalf("%+v", facts)
			}
			if c := facts.Certificate; c.Subject != "CN=peer" || len(c.SANs) != 2 || c.Key != "ECDSA P-256" || c.Serial != "ff" {
				t.Errorf("%+v", c)
			}
			if err != nil {
				c.Close()
				return
			}
			if facts.Version != "TLS 1.3" || facts.ALPN != strings.Join(tt.secure.ALPN, "") || facts.Cipher == "" {
				t.Errorf("%+v", facts)
			}
			var out bytes.Buffer
			if err := talk.Run(t.Context(), c, talk.Config{Stream: stream, In: strings.NewReader("secret"), Out: &out, HalfClose: true}); err != nil {
				t.Fatal(err)
			}
			if out.String() != "secret" {
				t.Errorf("%q", out.String())
			}
			if v := c.Verdict(); v.Cause != cause.PeerClosed {
				t.Errorf("%+v", v)
			}
		})
	}
}

// A peer that does not speak TLS, and one that hangs up.
func TestNoTLS(t *testing.T) {
	c := peerThat(t, func(c *net.TCPConn) {
		io.WriteString(c, "220 plain text, and no TLS at all\r\n")
		io.Copy(io.Discard, c)
	})
	_, facts, err := new(talk.Secure).Handshake(t.Context(), c)
	if err == nil || facts.Failed == "" {
		t.Errorf("%v, %+v", err, facts)
	}
	c.Close()
	c = peerThat(t, func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) })
	_, facts, err = new(talk.Secure).Handshake(t.Context(), c)
	var dead *dialscope.Error
	if !errors.As(err, &dead) || facts.Failed == "" {
		t.Errorf("%T %v", err, err)
	}
	c.Close()
}
