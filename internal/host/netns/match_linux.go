package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
)

// reg and reg2 are registers of 128 bits (NFT_REG_1, NFT_REG_2), nfproto the
// families of linux/netfilter.h.
const (
	reg         = 1
	reg2        = 2
	nfprotoIPv4 = 2
	nfprotoIPv6 = 10
)

// anyFlags are the bits that Match.Flags speaks about.
const anyFlags = FIN | SYN | RST | ACK

// exprs translates the rule: the match, a counter, the verdict.
func (r Rule) exprs() ([]expr.Any, error) {
	if r.Verdict.why != nil {
		return nil, r.Verdict.why
	}
	es, err := r.Match.exprs()
	if err != nil {
		return nil, err
	}
	before, after := r.Verdict.exprs()
	return append(append(append(es, before...), &expr.Counter{}), after...), nil
}

func (m Match) exprs() (es []expr.Any, err error) {
	if m.Flags != 0 && m.Protocol != TCP {
		return nil, errors.New("Match.Flags without Protocol TCP")
	}
	if (m.Sport != 0 || m.Dport != 0) && m.Protocol != TCP && m.Protocol != UDP {
		return nil, errors.New("Match.Sport or Dport without Protocol TCP or UDP")
	}
	if m.Percent > 100 {
		return nil, fmt.Errorf("Match.Percent of %d", m.Percent)
	}
	if m.In != "" {
		es = append(es, meta(expr.MetaKeyIIFNAME, ifname(m.In))...)
	}
	if m.Out != "" {
		es = append(es, meta(expr.MetaKeyOIFNAME, ifname(m.Out))...)
	}
	if m.Protocol != 0 {
		es = append(es, meta(expr.MetaKeyL4PROTO, []byte{byte(m.Protocol)})...)
	}
	// Offsets of source and destination address: RFC 791 §3.1, RFC 8200 §3.
	es = append(es, within(m.Src, 12, 8)...)
	es = append(es, within(m.Dst, 16, 24)...)
	if m.Sport != 0 {
		es = append(es, transport(0, be16(m.Sport))...)
	}
	if m.Dport != 0 {
		es = append(es, transport(2, be16(m.Dport))...)
	}
	if m.Flags != 0 {
		const offset = 13 // RFC 9293 §3.1
		es = append(es, masked(expr.PayloadBaseTransportHeader, offset, []byte{byte(anyFlags)}, []byte{byte(m.Flags)})...)
	}
	if m.Longer != 0 {
		es = append(es, &expr.Meta{Key: expr.MetaKeyLEN, Register: reg},
			&expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpGt, Register: reg, Data: binary.BigEndian.AppendUint32(nil, m.Longer)})
	}
	return append(es, m.sample()...), nil
}

// sample picks among the packets that fit. numgen inc counts them from 0 and
// starts again at its modulus; its value is in host order.
func (m Match) sample() (es []expr.Any) {
	const incremental, random = 0, 1 // NFT_NG_INCREMENTAL, NFT_NG_RANDOM
	below := func(kind, modulus, limit uint32) {
		const hton = expr.ByteorderHton
		es = append(es,
			&expr.Numgen{Register: reg, Type: kind, Modulus: modulus},
			&expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: hton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: reg, Data: binary.BigEndian.AppendUint32(nil, limit)})
	}
	if m.Percent != 0 {
		below(random, 100, m.Percent)
	}
	if m.Every != 0 {
		below(incremental, m.Every, 1)
	}
	if m.First != 0 {
		below(incremental, 1<<32-1, m.First)
	}
	return es
}

func meta(key expr.MetaKey, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: key, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: value},
	}
}

func family(a netip.Addr) []expr.Any {
	if a.Is4() {
		return meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv4})
	}
	return meta(expr.MetaKeyNFPROTO, []byte{nfprotoIPv6})
}

func within(p netip.Prefix, offset4, offset6 uint32) []expr.Any {
	if !p.IsValid() {
		return nil
	}
	offset := offset6
	if p.Addr().Is4() {
		offset = offset4
	}
	mask := net.CIDRMask(p.Bits(), p.Addr().BitLen())
	return append(family(p.Addr()),
		masked(expr.PayloadBaseNetworkHeader, offset, mask, p.Masked().Addr().AsSlice())...)
}

// masked compares octets of a header under a mask.
func masked(base expr.PayloadBase, offset uint32, mask, value []byte) []expr.Any {
	n := uint32(len(value))
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: n},
		&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: n, Mask: mask, Xor: make([]byte, n)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: value},
	}
}

func transport(offset uint32, value []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(value))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: value},
	}
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// ifname is padded with zeros to IFNAMSIZ.
func ifname(name string) []byte {
	b := make([]byte, 16)
	copy(b[:15], name)
	return b
}
