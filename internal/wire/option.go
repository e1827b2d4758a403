package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// OptionKind is the kind of a TCP option (IANA tcp-parameters).
type OptionKind uint8

// The options that have names here; any other is carried as it is.
const (
	EndOfOptions    OptionKind = 0  // RFC 9293 §3.2
	NoOperation     OptionKind = 1  // RFC 9293 §3.2
	MaxSegmentSize  OptionKind = 2  // RFC 9293 §3.7.1
	WindowScale     OptionKind = 3  // RFC 7323 §2.2
	SACKPermitted   OptionKind = 4  // RFC 2018 §2
	SACKBlocks      OptionKind = 5  // RFC 2018 §3
	TimestampOption OptionKind = 8  // RFC 7323 §3.2
	MD5Signature    OptionKind = 19 // RFC 2385
	Multipath       OptionKind = 30 // RFC 8684
	FastOpen        OptionKind = 34 // RFC 7413 §4.1.1
)

// Option is one TCP option. Data is what follows kind and length; the first two
// kinds have neither.
type Option struct {
	Kind OptionKind
	Data []byte
}

// Options are a segment's options in their order. The end-of-list option and
// the padding after it are not among them.
type Options []Option

// maxOptions is what a data offset of 15 leaves for options, in octets.
const maxOptions = 15*4 - tcpHeader

var errOptionLength = errors.New("option length does not fit")

// MSS announces the largest segment that its sender takes.
func MSS(octets uint16) Option {
	return Option{MaxSegmentSize, binary.BigEndian.AppendUint16(nil, octets)}
}

// WScale announces the shift of windows. RFC 7323 §2.3 allows up to 14.
func WScale(shift uint8) Option { return Option{WindowScale, []byte{shift}} }

// SACK says that selective acknowledgements are understood.
func SACK() Option { return Option{Kind: SACKPermitted} }

// Timestamps carries TSval and TSecr.
func Timestamps(value, echo uint32) Option {
	return Option{TimestampOption, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, value), echo)}
}

// NOP fills one octet.
func NOP() Option { return Option{Kind: NoOperation} }

// ParseOptions reads the octets between the fixed header and the data, up to
// the end-of-list option. Those before the first that does not fit are returned
// with an error.
func ParseOptions(b []byte) (Options, error) {
	var all Options
	for len(b) > 0 {
		kind := OptionKind(b[0])
		if kind == EndOfOptions {
			return all, nil
		}
		if kind == NoOperation {
			all = append(all, NOP())
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return all, fmt.Errorf("option %d: %w", kind, errOptionLength)
		}
		o := Option{Kind: kind}
		if b[1] > 2 {
			o.Data = append([]byte(nil), b[2:b[1]]...)
		}
		all = append(all, o)
		b = b[b[1]:]
	}
	return all, nil
}

// Append adds the options in wire form, padded with zeros to a multiple of four
// octets (RFC 9293 §3.1).
func (o Options) Append(b []byte) []byte {
	begin := len(b)
	for _, one := range o {
		b = append(b, byte(one.Kind))
		if one.Kind > NoOperation {
			b = append(b, byte(len(one.Data)+2))
			b = append(b, one.Data...)
		}
	}
	for (len(b)-begin)%4 != 0 {
		b = append(b, byte(EndOfOptions))
	}
	return b
}

// Get returns the first option of a kind.
func (o Options) Get(kind OptionKind) (Option, bool) {
	for _, one := range o {
		if one.Kind == kind {
			return one, true
		}
	}
	return Option{}, false
}

// MSS is the announced largest segment, false if absent or not of its length.
func (o Options) MSS() (octets uint16, ok bool) {
	if m, found := o.Get(MaxSegmentSize); found && len(m.Data) == 2 {
		return binary.BigEndian.Uint16(m.Data), true
	}
	return 0, false
}

// WindowScale is the announced shift, false if absent or not of its length.
func (o Options) WindowScale() (shift uint8, ok bool) {
	if w, found := o.Get(WindowScale); found && len(w.Data) == 1 {
		return w.Data[0], true
	}
	return 0, false
}

// SACKPermitted reports whether the option is there.
func (o Options) SACKPermitted() bool {
	_, found := o.Get(SACKPermitted)
	return found
}

// Timestamps are TSval and TSecr, false if absent or not of their length.
func (o Options) Timestamps() (value, echo uint32, ok bool) {
	if t, found := o.Get(TimestampOption); found && len(t.Data) == 8 {
		return binary.BigEndian.Uint32(t.Data), binary.BigEndian.Uint32(t.Data[4:]), true
	}
	return 0, 0, false
}
