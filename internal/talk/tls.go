package talk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/dialscope/dialscope"
)

// TLS is what a handshake agreed on, and who the peer says it is.
type TLS struct {
	Version     string        `json:"version,omitempty"` // "TLS 1.3"
	Cipher      string        `json:"cipher,omitempty"`
	Group       string        `json:"group,omitempty"` // of the key exchange
	ALPN        string        `json:"alpn,omitempty"`
	Name        string        `json:"name"` // that was asked for (SNI), and that the certificate was checked against
	Took        time.Duration `json:"handshake_ns"`
	Resumed     bool          `json:"resumed,omitempty"`
	Trusted     bool          `json:"trusted"` // the chain leads to a root of this host and the name fits
	Why         string        `json:"why,omitempty"`
	Certificate *Certificate  `json:"certificate,omitempty"`
	Chain       []string      `json:"chain,omitempty"`  // the subjects that the peer sent, its own first
	Failed      string        `json:"failed,omitempty"` // why there was no handshake
}

// Certificate is the peer's own.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	SANs      []string  `json:"sans,omitempty"` // DNS names and addresses
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Key       string    `json:"key"` // "ECDSA P-256", "RSA 2048"
	Serial    string    `json:"serial"`
}

// Secure says how to speak TLS.
type Secure struct {
	Name     string         // SNI, and what the certificate has to be for
	ALPN     []string       // offered; nil: none
	Insecure bool           // talk to a peer that is not trusted
	Roots    *x509.CertPool // nil: this host's own
	Now      func() time.Time
}

// ErrUntrusted says that a peer's certificate was not accepted.
var ErrUntrusted = errors.New("the peer's certificate is not trusted")

// Handshake speaks TLS over a watched connection. The facts are complete as far
// as the handshake came, also with an error: one that wraps ErrUntrusted when
// the certificate is not trusted, one of the connection's own end, or TLS's.
func (c *Secure) Handshake(ctx context.Context, conn *dialscope.Conn) (Stream, *TLS, error) {
	facts := &TLS{Name: c.Name}
	began := time.Now()
	t := tls.Client(conn, &tls.Config{
		ServerName: c.Name, NextProtos: c.ALPN, MinVersion: tls.VersionTLS10, // what the peer speaks is told, not chosen here
		InsecureSkipVerify: true, // VerifyConnection does it, and keeps the facts of a certificate that is not trusted
		VerifyConnection: func(s tls.ConnectionState) error {
			facts.read(&s)
			if err := c.verify(&s); err != nil {
				facts.Why = err.Error()
				if !c.Insecure {
					return fmt.Errorf("%w: %w", ErrUntrusted, err)
				}
				return nil
			}
			facts.Trusted = true
			return nil
		},
	})
	err := t.HandshakeContext(ctx)
	facts.Took = time.Since(began)
	if err != nil {
		facts.Failed = reason(err)
		return nil, facts, err
	}
	s := t.ConnectionState()
	facts.Group = s.CurveID.String()
	return &secured{t, conn}, facts, nil
}

// reason is an error in words, without the connection's own verdict in them.
func reason(err error) string {
	var dead *dialscope.Error
	if errors.As(err, &dead) {
		return dead.Op.Error()
	}
	return err.Error()
}

func (c *Secure) verify(s *tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the peer sent no certificate")
	}
	o := x509.VerifyOptions{Roots: c.Roots, DNSName: c.Name, Intermediates: x509.NewCertPool()}
	if c.Now != nil {
		o.CurrentTime = c.Now()
	}
	for _, cert := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := s.PeerCertificates[0].Verify(o)
	return err
}

func (f *TLS) read(s *tls.ConnectionState) {
	f.Version, f.Cipher, f.ALPN, f.Resumed = tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), s.NegotiatedProtocol, s.DidResume
	for _, cert := range s.PeerCertificates {
		f.Chain = append(f.Chain, cert.Subject.String())
	}
	if len(s.PeerCertificates) == 0 {
		return
	}
	cert := s.PeerCertificates[0]
	f.Certificate = &Certificate{
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(), SANs: slices.Clone(cert.DNSNames),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Key: keyName(cert), Serial: cert.SerialNumber.Text(16),
	}
	for _, ip := range cert.IPAddresses {
		f.Certificate.SANs = append(f.Certificate.SANs, ip.String())
	}
}

// secured is TLS over a watched connection.
type secured struct {
	*tls.Conn
	below *dialscope.Conn
}

// last is how long FIN may follow close_notify (RFC 8446 §6.1).
const last = 200 * time.Millisecond

// Read reads what is inside of TLS. After close_notify it looks for the FIN
// that follows, so that the end is seen as it was.
func (s *secured) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == io.EOF {
		var one [1]byte
		_ = s.below.SetReadDeadline(time.Now().Add(last))
		_, _ = s.below.Read(one[:])
		_ = s.below.SetReadDeadline(time.Time{})
	}
	return n, err
}

// CloseWrite sends close_notify, and then FIN.
func (s *secured) CloseWrite() error {
	if err := s.Conn.CloseWrite(); err != nil {
		return err
	}
	return s.below.CloseWrite()
}

var _ net.Conn = (*secured)(nil)
