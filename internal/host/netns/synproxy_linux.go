package netns

import (
	"encoding/binary"

	"github.com/google/nftables/expr"
)

// SYNProxy makes the host answer SYNs for a port in place of the server: with
// SYN cookies, and the server sees a connection only when the client's
// handshake is done (nft(8), SYNPROXY STATEMENT). The hook is Forward on a
// router, Input on the server itself. The options of the SYN-ACK are fixed:
// MSS 1460, window scale 7, timestamps, selective acknowledgements.
func (h *Host) SYNProxy(hook Hook, port uint16) (*Firewall, error) {
	for name, value := range map[string]string{
		// A segment in the middle of an unknown connection is invalid then,
		// and so reaches the proxy.
		"net.netfilter.nf_conntrack_tcp_loose": "0",
		"net.ipv4.tcp_syncookies":              "1",
		"net.ipv4.tcp_timestamps":              "1",
	} {
		if err := h.Sysctl(name, value); err != nil {
			return nil, err
		}
	}
	toPort := Match{Protocol: TCP, Dport: port}
	syn := toPort
	syn.Flags = SYN
	return h.Firewall(
		Rule{Prerouting, syn, NoTrack()},
		Rule{hook, toPort, Verdict{kind: synproxy}},
		Rule{hook, toPort, Verdict{kind: dropInvalid}},
	)
}

func proxyOptions() *expr.SynProxy {
	return &expr.SynProxy{
		Mss: 1460, MssValueSet: true, Wscale: 7, WscaleValueSet: true, Timestamp: true, SackPerm: true,
	}
}

// tracked matches packets that connection tracking has put into one of the
// states. The register holds the bits in host order.
func tracked(states uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Register: reg, Key: expr.CtKeySTATE},
		&expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: 4,
			Mask: binary.NativeEndian.AppendUint32(nil, states), Xor: make([]byte, 4),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: make([]byte, 4)},
	}
}
