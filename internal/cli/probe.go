package cli

// probe is the datagram for a UDP port: a question where a service is likely
// to answer one, else an empty datagram, which can at least be refused.
func probe(port uint16) []byte {
	switch port {
	case 53:
		return []byte(dnsQuestion)
	case 123:
		question := make([]byte, 48) // RFC 5905 §7.3, figure 8: the header
		question[0] = 0x23           // leap 0, version 4, mode 3 (client)
		return question
	}
	return []byte{}
}

// dnsQuestion asks for the root's name servers (RFC 1035 §4.1): header, then
// the root's name, type NS, class IN.
const dnsQuestion = "\x64\x73\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + "\x00" + "\x00\x02" + "\x00\x01"
