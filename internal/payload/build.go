package payload

import (
	"encoding/binary"
	"strings"
)

// Query types, RFC 1035 §3.2.2.
const (
	typeNS  = 2
	typePTR = 12
)

// dnsQuery is one question of class IN (RFC 1035 §4.1).
func dnsQuery(flags uint16, name string, typ uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0x6473)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 0, 1, 0, 0, 0, 0, 0, 0)
	if name != "" {
		for label := range strings.SplitSeq(name, ".") {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, typ)
	return append(b, 0, 1)
}

// rpcNull calls procedure 0 of a program, without credentials (RFC 5531 §9).
func rpcNull(program, version uint32) []byte {
	const call, rpcVersion, null, none = 0, 2, 0, 0
	var b []byte
	for _, word := range []uint32{0x6469616c, call, rpcVersion, program, version, null, none, 0, none, 0} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// quicUnknownVersion is a long header packet of a version that is reserved so
// that it makes servers negotiate (RFC 9000 §15), as long as a server wants the
// first one to be (§14.1).
func quicUnknownVersion() []byte {
	const smallest = 1200
	b := []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a}
	b = append(append(b, 8), "dialscop"...) // destination connection id
	b = append(append(b, 8), "edialsco"...) // source connection id
	return append(b, make([]byte, smallest-len(b))...)
}

// ikeInit is an IKE_SA_INIT request (RFC 7296 §3.1 to §3.9) with one proposal:
// AES-CBC-128, HMAC-SHA2-256 and MODP-2048. Its public value is a constant, which
// any group member may be; nobody can finish the exchange.
func ikeInit() []byte {
	const (
		sa, ke, nonce = 33, 34, 40
		group14       = 14
	)
	transform := func(last, typ byte, id uint16, attribute ...byte) []byte {
		b := []byte{last, 0, 0, byte(8 + len(attribute)), typ, 0}
		return append(binary.BigEndian.AppendUint16(b, id), attribute...)
	}
	transforms := transform(3, 1, 12, 0x80, 14, 0, 128)                // ENCR_AES_CBC, key length 128
	transforms = append(transforms, transform(3, 2, 5)...)             // PRF_HMAC_SHA2_256
	transforms = append(transforms, transform(3, 3, 12)...)            // AUTH_HMAC_SHA2_256_128
	transforms = append(transforms, transform(0, 4, group14)...)       // 2048-bit MODP
	proposal := []byte{0, 0, 0, byte(8 + len(transforms)), 1, 1, 0, 4} // last, number 1, IKE, no SPI, 4 transforms
	value := make([]byte, 256)
	for i := range value {
		value[i] = byte(i + 1)
	}
	payload := func(next byte, body []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{next, 0}, uint16(4+len(body))), body...)
	}
	body := payload(ke, append(proposal, transforms...))
	body = append(body, payload(nonce, append([]byte{0, group14, 0, 0}, value...))...)
	body = append(body, payload(0, []byte("dialscope asks only who is there"))...)

	b := append([]byte("dialscop"), make([]byte, 8)...) // the initiator's SPI, and none of the responder's
	b = append(b, sa, 0x20, 34, 0x08)                   // first payload, version 2.0, IKE_SA_INIT, initiator
	b = append(b, 0, 0, 0, 0)                           // message 0
	b = binary.BigEndian.AppendUint32(b, uint32(28+len(body)))
	return append(b, body...)
}
