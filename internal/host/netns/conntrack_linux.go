package netns

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// ctnetlink (linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h).
const (
	ctNew            = 1 << 8     // NFNL_SUBSYS_CTNETLINK; IPCTNL_MSG_CT_NEW is 0
	ctDelete         = 1<<8 | 0x2 // IPCTNL_MSG_CT_DELETE
	ctaTupleOrig     = 1
	ctaTupleReply    = 2
	ctaStatus        = 3
	ctaProtoinfo     = 4
	ctaTimeout       = 7
	ctSeenReply      = 1 << 1
	ctAssured        = 1 << 2
	ctConfirmed      = 1 << 3
	ctTCPEstablished = 3

	nested = 1 << 15 // NLA_F_NESTED

	// mostConntrack bounds what FillConntrack makes: about 300 bytes of kernel
	// memory and 4 µs each.
	mostConntrack = 1 << 20
)

// FillConntrack fills this host's connection tracking table to
// nf_conntrack_max with established connections that do not exist
// (ctnetlink), so that the next new connection finds no room. They are assured:
// early_drop evicts none of them. nf_conntrack_max is one for all namespaces, and
// only the first can set it; the count is each namespace's own.
func (h *Host) FillConntrack() error {
	text, err := h.ReadSysctl("net.netfilter.nf_conntrack_max")
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit <= 0 || limit > mostConntrack {
		return fmt.Errorf("a table of %s connections is not filled", text)
	}
	return h.Do(func() error {
		c, err := sys.OpenNetlink(syscall.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer c.Close()
		const flags = syscall.NLM_F_CREATE | syscall.NLM_F_EXCL | syscall.NLM_F_ACK
		for i := range uint32(limit) {
			err := c.Ask(ctNew, flags, connection(i), func(uint16, []byte) bool { return true })
			if err == syscall.ENOMEM {
				return nil // full: those that were there before count, too
			}
			if err != nil {
				return fmt.Errorf("conntrack entry %d of %d: %w", i, limit, err)
			}
		}
		return nil
	})
}

// FlushConntrack empties this host's connection tracking table.
func (h *Host) FlushConntrack() error {
	return h.wrap(h.Do(func() error {
		c, err := sys.OpenNetlink(syscall.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer c.Close()
		body := make([]byte, 4) // struct nfgenmsg: every family
		return c.Ask(ctDelete, syscall.NLM_F_ACK, body, func(uint16, []byte) bool { return true })
	}))
}

// connection is the body of a request for the i-th connection, between
// addresses for benchmarks (RFC 2544: 198.18.0.0/15).
func connection(i uint32) []byte {
	src, dst := [4]byte{198, 18, byte(i >> 24), byte(i >> 16)}, [4]byte{198, 19, 0, 1}
	srcPort, dstPort := uint16(i), uint16(9)
	b := []byte{syscall.AF_INET, 0, 0, 0} // struct nfgenmsg
	b = attr(b, ctaTupleOrig|nested, tuple(src, dst, srcPort, dstPort))
	b = attr(b, ctaTupleReply|nested, tuple(dst, src, dstPort, srcPort))
	b = attr(b, ctaStatus, binary.BigEndian.AppendUint32(nil, ctSeenReply|ctAssured|ctConfirmed))
	b = attr(b, ctaTimeout, binary.BigEndian.AppendUint32(nil, 3600))
	state := attr(nil, 1, []byte{ctTCPEstablished}) // CTA_PROTOINFO_TCP_STATE
	return attr(b, ctaProtoinfo|nested, attr(nil, 1|nested, state))
}

// tuple is CTA_TUPLE_IP and CTA_TUPLE_PROTO of a TCP connection.
func tuple(src, dst [4]byte, srcPort, dstPort uint16) []byte {
	ip := attr(attr(nil, 1, src[:]), 2, dst[:])
	proto := attr(nil, 1, []byte{syscall.IPPROTO_TCP})
	proto = attr(proto, 2, binary.BigEndian.AppendUint16(nil, srcPort))
	proto = attr(proto, 3, binary.BigEndian.AppendUint16(nil, dstPort))
	return attr(attr(nil, 1|nested, ip), 2|nested, proto)
}

// attr appends a netlink attribute (struct nlattr), padded to 4 octets.
func attr(b []byte, typ uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
