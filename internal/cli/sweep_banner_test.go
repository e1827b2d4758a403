package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/testmain"
)

// talker serves each connection by a function until the test ends.
func talker(t *testing.T, serve func(c net.Conn)) string {
	t.Helper()
	return testmain.Listen(t, "127.0.0.1:0", func(c *net.TCPConn) {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		serve(c)
	}).String()
}

// What a port says first is heard, bounded; one that says nothing is asked
// whether it speaks TLS.
func TestFirstWords(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	self := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1, 0)} // expired: nobody judges it
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: tls.VersionTLS12}
	for name, c := range map[string]struct {
		serve       func(c net.Conn)
		banner, tls string
	}{
		"a greeting":        {func(c net.Conn) { c.Write([]byte("220 ready\r\n")) }, "220 ready\r\n", ""},
		"more than is kept": {func(c net.Conn) { c.Write(bytes.Repeat([]byte("x"), 5000)) }, string(bytes.Repeat([]byte("x"), bannerBytes)), ""},
		"closes at once":    {func(net.Conn) {}, "", ""},
		"TLS":               {func(c net.Conn) { tls.Server(c, server).Handshake() }, "", "TLS 1.2"},
		"answers nonsense": {func(c net.Conn) {
			b := make([]byte, 1)
			if n, _ := c.Read(b); n > 0 {
				c.Write([]byte("what?\r\n"))
			}
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			banner, version := hear(t.Context(), talker(t, c.serve))
			if banner != c.banner || version != c.tls {
				t.Errorf("%q, %q", banner, version)
			}
		})
	}
}

// A port that is no longer open says nothing, and one that is listened to when
// the sweep ends is let go.
func TestFirstWordsEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	l.Close()
	if banner, version := hear(t.Context(), gone); banner != "" || version != "" {
		t.Errorf("%q, %q of a closed port", banner, version)
	}
	ctx, cancel := context.WithCancel(t.Context())
	address := talker(t, func(net.Conn) { cancel(); time.Sleep(10 * time.Millisecond) })
	began := time.Now()
	if banner, version := hear(ctx, address); banner != "" || version != "" || time.Since(began) > bannerTime/2 {
		t.Errorf("%q, %q after %v", banner, version, time.Since(began))
	}
}
