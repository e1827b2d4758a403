package dialscope

import "github.com/dialscope/dialscope/internal/payload"

// UDPProbeFor gives a datagram that the service usually met on a port answers,
// and its name, for [Dialer.UDPProbe] and [Dialer.UDPProbeName]: a question of DNS,
// NTP, SNMP, QUIC, STUN, SIP and twenty others, after their specifications,
// without a secret and without effect. Where no such question exists (WireGuard,
// RADIUS, syslog), or the service is not known, it is empty.
func UDPProbeFor(port uint16) (name string, probe []byte) {
	p := payload.For(port)
	return p.Name, p.Datagram()
}
