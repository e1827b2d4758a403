package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/talk"
)

// readRoots reads certificates to trust.
func readRoots(name string) (*x509.CertPool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, usagef("the certificates of --tls-ca %q cannot be read: %v", clip(name), err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, usagef("--tls-ca %q has no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----", clip(name))
	}
	return pool, nil
}

// secureText tells what the handshake agreed on and who the peer says it is.
func secureText(style terminal.Style, t *talk.TLS) string {
	var b strings.Builder
	line := func(label, text string) {
		if text != "" {
			b.WriteString("  " + style.Dim(terminal.Pad(label, 9)) + terminal.Printable(style.Text(text)) + "\n")
		}
	}
	switch {
	case t.Failed != "" && t.Certificate == nil:
		line("TLS", "no handshake: "+t.Failed)
	default:
		text := t.Version + ", " + t.Cipher
		if t.Group != "" {
			text += ", " + t.Group
		}
		if t.ALPN != "" {
			text += ", ALPN " + t.ALPN
		}
		line("TLS", text+", after "+answer.Duration(t.Took))
	}
	if c := t.Certificate; c != nil {
		line("subject", c.Subject)
		line("names", strings.Join(c.SANs, ", "))
		line("issuer", c.Issuer)
		line("valid", fmt.Sprintf("%s to %s, %s", c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime+" UTC"), c.Key))
	}
	switch {
	case t.Trusted:
		line("trust", style.Pick("✓", "+")+" the chain leads to a root of this host and is for "+t.Name)
	case t.Why != "":
		line("trust", style.Pick("✗", "x")+" "+t.Why)
	}
	return b.String()
}
