package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/wire"
)

// The seeds are in testdata/fuzz, named.

// FuzzLook: no octets break a view, and a view shows nothing that is not there.
func FuzzLook(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		v := wire.Look(b)
		if len(v.Header)+len(v.Payload) > len(b) {
			t.Errorf("header of %d and payload of %d in %d octets", len(v.Header), len(v.Payload), len(b))
		}
		if !bytes.HasPrefix(b, v.Header) || !bytes.HasPrefix(b[len(v.Header):], v.Payload) {
			t.Error("header and payload are not the beginning of the packet")
		}
		if verified := v.Verify(); verified&v.Fault != v.Fault {
			t.Errorf("Verify forgot a fault: %v, %v", v.Fault, verified)
		}
		if wire.Summary(b) == "" {
			t.Error("no summary")
		}
		tcp := wire.LookTCP(v.Payload)
		if tcp.Fault == 0 && 20+len(tcp.Options)+len(tcp.Payload) != len(v.Payload) {
			t.Errorf("segment of %d octets: options of %d, payload of %d", len(v.Payload), len(tcp.Options), len(tcp.Payload))
		}
	})
}

// FuzzParse: what Parse takes can be built again, and is the same then.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := wire.Parse(b)
		if err != nil {
			return
		}
		again, err := p.Marshal()
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		q, err := wire.Parse(again)
		if err != nil {
			t.Fatalf("%x: %v", again, err)
		}
		if d := cmp.Diff(p, q, equal); d != "" {
			t.Errorf("(-first +again)\n%s", d)
		}
	})
}

// FuzzOptions: options that are read are written as they were, but for what
// follows the end of the list.
func FuzzOptions(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		options, err := wire.ParseOptions(b)
		again := options.Append(nil)
		if n := len(options.String()); n > 0 != (len(options) > 0) {
			t.Errorf("%d options are told in %d octets", len(options), n)
		}
		same, againErr := wire.ParseOptions(again)
		if againErr != nil {
			t.Fatalf("%x: %v", again, againErr)
		}
		if d := cmp.Diff(options, same, equal); d != "" {
			t.Errorf("(-first +again)\n%s", d)
		}
		if err == nil && len(again)%4 != 0 {
			t.Errorf("options of %d octets", len(again))
		}
	})
}
