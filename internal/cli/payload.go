package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/payload"
)

// datagram is what --payload says is sent to a UDP port.
type datagram struct {
	text string // as given; empty: by the port
	name string
	data []byte
	list bool
}

// mostPayload is more than any datagram holds, so that a larger one can be seen to
// be refused.
const mostPayload = 1 << 17

func (d *datagram) Type() string   { return "payload" }
func (d *datagram) String() string { return d.text }
func (d *datagram) Set(text string) error {
	kind, rest, prefixed := strings.Cut(text, ":")
	n := datagram{text: text, name: "given"}
	switch {
	case text == "list":
		n.list = true
	case !prefixed:
		p, known := payload.Named(text)
		if !known {
			return valuef("no payload of that name: write %s, or hex:0a0b, text:hello, zeros:1400, file:NAME; list says what each asks", strings.Join(payload.Names(), ", "))
		}
		n.name, n.data = p.Name, p.Datagram()
	case kind == "text":
		n.data = []byte(rest)
	case kind == "hex":
		digits := strings.NewReplacer(" ", "", ":", "", "\n", "").Replace(rest)
		data, err := hex.DecodeString(digits)
		if err != nil {
			return valuef("no hexadecimal octets: write hex:0a0b0c, two digits each")
		}
		n.data = data
	case kind == "zeros":
		size, err := strconv.ParseUint(rest, 10, 32)
		if err != nil || size > mostPayload {
			return valuef("no size: write zeros:1400 for so many octets of 0, %d at most", mostPayload)
		}
		n.data = make([]byte, size)
	case kind == "file":
		data, err := readPayload(rest)
		if err != nil {
			return err
		}
		n.data = data
	default:
		return valuef("nothing begins with %s: write hex:0a0b, text:hello, zeros:1400, file:NAME, or a name that --payload list has", clip(kind))
	}
	if n.data == nil {
		n.data = []byte{}
	}
	*d = n
	return nil
}

func readPayload(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, valuef("the file %q cannot be read: %v", clip(name), err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostPayload+1))
	if err != nil {
		return nil, valuef("the file %q cannot be read: %v", clip(name), err)
	}
	if len(data) > mostPayload {
		return nil, valuef("the file %q has more than %d bytes: a datagram holds 65507", clip(name), mostPayload)
	}
	return data, nil
}

// probe is the datagram for a UDP port: what --payload says, else a question where
// a service is likely to answer one, else an empty one, which can at least be
// refused.
func (o *options) probe(port uint16) (name string, data []byte) {
	if o.payload.text != "" {
		return o.payload.name, o.payload.data
	}
	p := payload.For(port)
	return p.Name, p.Datagram()
}

// payloads prints what there is to send.
func (a *app) payloads() error {
	style := terminal.Detect(a.stdout, terminal.Mode(a.options.colour), a.env)
	var b strings.Builder
	for _, p := range payload.All() {
		var ports []string
		for _, port := range p.Ports {
			ports = append(ports, fmt.Sprint(port))
		}
		b.WriteString(style.Bold(terminal.Pad(p.Name, 13)) + terminal.Pad(p.Service, 24) + strings.Join(ports, " ") + "\n")
		text := fmt.Sprintf("%d bytes; asks %s", len(p.Data), p.Asks)
		if p.Data == nil {
			text = "no question is answered, an empty datagram is sent"
		}
		if p.Silence != "" {
			text += "; " + p.Silence
		}
		for _, line := range terminal.Wrap(text+" ("+p.Reference+")", max(40, min(style.Width, 100)-13)) {
			b.WriteString(strings.Repeat(" ", 13) + line + "\n")
		}
	}
	return a.print(style.Text(b.String()))
}
