package cause

import "github.com/dialscope/dialscope/evidence"

// udpRules recognise what one datagram brought back. ICMP errors about it are
// judged by icmpRules.
var udpRules = []rule{
	{id: UDPAnswered, needs: []evidence.Kind{"datagram"}, judge: udpAnswered, ref: "udp(7)"},
	{id: UDPSilent, needs: []evidence.Kind{"datagram"}, judge: udpSilent, ref: "udp(7); RFC 1122 §4.1.3"},
}

// udpPortClosed: "port unreachable" is what a host without a socket there
// sends (RFC 1122 §4.1.3.1), and what a firewall's reject imitates.
func udpPortClosed(v *view) reading {
	i := v.icmp
	if i == nil || meaning(i) != FirewallReject || i.Version == 4 && i.Code == 2 {
		return nothing
	}
	switch s := v.sender(i); s.Kind {
	case Destination, Local:
		return reading{confidence: Likely, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, detail: describe(i)}
	case Router:
		return reading{confidence: Possible, culprit: Culprit{Kind: Destination, Address: v.remote.Addr()}, detail: describe(i)}
	}
	return nothing
}

func udpAnswered(v *view) reading {
	if v.datagram.Answered {
		return reading{confidence: Certain, culprit: Culprit{Kind: Nobody}}
	}
	return nothing
}

// udpSilent claims nothing but the silence.
func udpSilent(v *view) reading {
	if v.silent() && v.datagram.SendErrno == "" && !v.datagram.Answered {
		return reading{confidence: Certain, culprit: Culprit{Kind: Nobody}}
	}
	return nothing
}
