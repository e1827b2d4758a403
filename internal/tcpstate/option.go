package tcpstate

import "encoding/binary"

// SYNOptions is what a SYN or SYN-ACK proposes.
type SYNOptions struct {
	MSS        uint16 // octets (RFC 9293 §3.7.1)
	Scale      uint8  // window scale (RFC 7323 §2.2)
	HasMSS     bool
	HasScale   bool
	SACK       bool   // SACK permitted (RFC 2018)
	Timestamps bool   // RFC 7323 §3
	FastOpen   bool   // RFC 7413
	FastOpenX  bool   // its experimental form, before it had an option of its own
	Multipath  bool   // RFC 8684
	ECN        bool   // RFC 3168 §6.1.1: ECE and CWR in a SYN, ECE alone in a SYN-ACK
	Window     uint16 // as in the header: never scaled here
	Data       uint32 // octets of data it carries
}

// Option kinds (IANA tcp-parameters).
const (
	optionEnd        = 0
	optionNOP        = 1
	optionMSS        = 2
	optionScale      = 3
	optionSACK       = 4
	optionTimestamps = 8
	optionMultipath  = 30
	optionFastOpen   = 34
	optionExperiment = 254 // with the magic 0xf989: Fast Open before RFC 7413
)

// ReadOptions reads the options of a SYN or SYN-ACK. An option of a wrong length is not one.
func ReadOptions(s *Segment) SYNOptions {
	o := SYNOptions{Window: s.Window, Data: s.Len}
	switch s.Flags & (ACK | ECE | CWR) {
	case ECE | CWR, ACK | ECE:
		o.ECN = true
	}
	for b := s.Options; len(b) > 0; {
		kind := b[0]
		if kind == optionEnd {
			break
		}
		if kind == optionNOP {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			break
		}
		value := b[2:b[1]]
		switch {
		case kind == optionMSS && len(value) == 2:
			o.MSS, o.HasMSS = binary.BigEndian.Uint16(value), true
		case kind == optionScale && len(value) == 1:
			o.Scale, o.HasScale = value[0], true
		case kind == optionSACK && len(value) == 0:
			o.SACK = true
		case kind == optionTimestamps && len(value) == 8:
			o.Timestamps = true
		case kind == optionMultipath:
			o.Multipath = true
		case kind == optionFastOpen:
			o.FastOpen = true
		case kind == optionExperiment && len(value) >= 2 && value[0] == 0xf9 && value[1] == 0x89:
			o.FastOpenX = true
		}
		b = b[b[1]:]
	}
	return o
}
