package netns

import (
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	vnetns "github.com/vishvananda/netns"
)

// addVeth makes the pair with the indexes of its two ends, which the netlink
// library has no field for. They must differ: where an interface and its peer
// have the same index the kernel takes the interface for a physical one, and
// reports its carrier only a second later (linkwatch_urgent_event).
func addVeth(l *Link, mtu int) error {
	s, err := nl.GetNetlinkSocketAt(vnetns.NsHandle(l.A.Host.fd), vnetns.None(), syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer s.Close()
	req := nl.NewNetlinkRequest(syscall.RTM_NEWLINK, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL|syscall.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{syscall.NETLINK_ROUTE: {Socket: s}}
	msg := nl.NewIfInfomsg(syscall.AF_UNSPEC)
	msg.Index = int32(l.A.Index)
	req.AddData(msg)
	for _, a := range endAttrs(l.A, mtu) {
		req.AddData(a)
	}
	info := nl.NewRtAttr(syscall.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, syscall.AF_UNSPEC).Index = int32(l.B.Index)
	for _, a := range endAttrs(l.B, mtu) {
		peer.AddChild(a)
	}
	const iflaNetNSFd = 28 // IFLA_NET_NS_FD, linux/if_link.h
	peer.AddRtAttr(iflaNetNSFd, nl.Uint32Attr(uint32(l.B.Host.fd)))
	req.AddData(info)
	if _, err := req.Execute(syscall.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("add %s: %w", l.A.Name, err)
	}
	return nil
}

func endAttrs(i *Interface, mtu int) []*nl.RtAttr {
	attrs := []*nl.RtAttr{
		nl.NewRtAttr(syscall.IFLA_IFNAME, nl.ZeroTerminated(i.Name)),
		nl.NewRtAttr(syscall.IFLA_ADDRESS, net.HardwareAddr(i.HardwareAddr)),
	}
	if mtu > 0 {
		attrs = append(attrs, nl.NewRtAttr(syscall.IFLA_MTU, nl.Uint32Attr(uint32(mtu))))
	}
	return attrs
}
