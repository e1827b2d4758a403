package netns

import "github.com/google/nftables/expr"

// exprs returns what narrows the match further, and what acts on the packet.
func (v Verdict) exprs() (narrow, act []expr.Any) {
	const icmpUnreach, tcpReset = 0, 1 // NFT_REJECT_ICMP_UNREACH, NFT_REJECT_TCP_RST
	switch v.kind {
	case drop:
		act = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	case rejectReset:
		narrow = meta(expr.MetaKeyL4PROTO, []byte{byte(TCP)})
		act = []expr.Any{&expr.Reject{Type: tcpReset}}
	case rejectICMP4:
		narrow = meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv4})
		act = []expr.Any{&expr.Reject{Type: icmpUnreach, Code: v.icmp4}}
	case rejectICMP6:
		narrow = meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv6})
		act = []expr.Any{&expr.Reject{Type: icmpUnreach, Code: v.icmp6}}
	case notrack:
		act = []expr.Any{&expr.Notrack{}}
	case setTTL:
		narrow = meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv4})
		act = rewrite(v.ttl, &expr.Payload{Offset: 8, CsumType: expr.CsumTypeInet, CsumOffset: 10}) // RFC 791 §3.1
	case setHopLimit:
		narrow = meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv6})
		act = rewrite(v.ttl, &expr.Payload{Offset: 7}) // RFC 8200 §3
	case dnat:
		narrow = family(v.to.Addr())
		act = v.dnat()
	case redirect:
		act = []expr.Any{
			&expr.Immediate{Register: reg, Data: be16(v.port)},
			&expr.Redir{RegisterProtoMin: reg},
		}
	case masquerade:
		act = []expr.Any{&expr.Masq{}}
	case synproxy:
		narrow = tracked(expr.CtStateBitINVALID | expr.CtStateBitUNTRACKED)
		act = []expr.Any{proxyOptions()}
	case dropInvalid:
		narrow = tracked(expr.CtStateBitINVALID)
		act = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	default:
		act = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	}
	return narrow, act
}

// rewrite sets one octet of the network header.
func rewrite(octet uint8, at *expr.Payload) []expr.Any {
	at.OperationType, at.Base = expr.PayloadWrite, expr.PayloadBaseNetworkHeader
	at.SourceRegister, at.Len = reg, 1
	return []expr.Any{&expr.Immediate{Register: reg, Data: []byte{octet}}, at}
}

func (v Verdict) dnat() []expr.Any {
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: nfprotoIPv6, RegAddrMin: reg}
	if v.to.Addr().Is4() {
		nat.Family = nfprotoIPv4
	}
	act := []expr.Any{&expr.Immediate{Register: reg, Data: v.to.Addr().AsSlice()}}
	if v.to.Port() != 0 {
		act = append(act, &expr.Immediate{Register: reg2, Data: be16(v.to.Port())})
		nat.RegProtoMin, nat.Specified = reg2, true
	}
	return append(act, nat)
}
