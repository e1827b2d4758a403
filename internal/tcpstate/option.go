package tcpstate

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
		if kind == optionNOP {
			b = b[1:]
			continue
		}
		if kind == optionEnd || len(b) < 2 {
			break
		}
		size := int(b[1])
		if size < 2 || size > len(b) {
			break
		}
		switch kind {
		case optionMSS:
			if size == 4 {
				o.MSS, o.HasMSS = uint16(b[2])<<8|uint16(b[3]), true
			}
		case optionScale:
			if size == 3 {
				o.Scale, o.HasScale = b[2], true
			}
		case optionSACK:
			o.SACK = o.SACK || size == 2
		case optionTimestamps:
			o.Timestamps = o.Timestamps || size == 10
		case optionMultipath:
			o.Multipath = true
		case optionFastOpen:
			o.FastOpen = true
		case optionExperiment:
			o.FastOpenX = o.FastOpenX || size >= 4 && b[2] == 0xf9 && b[3] == 0x89
		}
		b = b[size:]
	}
	return o
}
