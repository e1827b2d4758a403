package cause

import (
	"fmt"
	"strconv"

	"github.com/dialscope/dialscope/evidence"
)

// udpRules recognise what one datagram brought back. ICMP errors about it are
// judged by icmpRules.
var udpRules = []rule{
	{id: UDPAnswered, needs: []evidence.Kind{"datagram"}, judge: udpAnswered, ref: "udp(7)"},
	{id: DatagramTooLarge, needs: []evidence.Kind{"datagram"}, judge: datagramTooLarge, ref: "udp(7) EMSGSIZE; RFC 768; ip_append_data, udp_sendmsg"},
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
		r := reading{confidence: Certain, culprit: Culprit{Kind: Nobody}}
		if v.datagram.Asks != "" {
			r.detail = "it was asked " + v.datagram.Asks
		}
		return r
	}
	return nothing
}

// datagramTooLarge: the kernel says so before anything is sent, and names what
// would have gone.
func datagramTooLarge(v *view) reading {
	d := v.datagram
	if d.SendErrno != "EMSGSIZE" {
		return nothing
	}
	r := local(Certain, "")
	if d.Limit > 0 {
		r.detail = fmt.Sprintf("%d bytes, and at most %d go", d.Size, d.Limit)
		r.blanks = Blanks{"count": strconv.Itoa(d.Limit)}
		if d.PathMTU > 0 {
			r.detail += fmt.Sprintf("; the path's MTU is %d", d.PathMTU)
		}
	}
	return r
}

// udpSilent claims nothing but the silence: that this host has not thrown an
// answer away is seen where all that came in was delivered.
func udpSilent(v *view) reading {
	if v.silent() && v.datagram.SendErrno == "" && !v.datagram.Answered {
		n, seen := v.undelivered()
		filtered := v.filterIn.Stops() != nil && v.filterIn.Stops().Verdict == ruleDrops
		return reading{confidence: either(seen && (n <= 0 && !filtered || v.filterIn.Clear()), Certain, Likely), culprit: Culprit{Kind: Nobody}, detail: v.datagram.Unheard}
	}
	return nothing
}
