package netlink

import (
	"encoding/binary"
	"net/netip"
	"syscall"
)

// Values of linux/rtnetlink.h that package syscall lacks.
const (
	rtaMark    = 0x10 // RTA_MARK
	rtaVia     = 0x12 // RTA_VIA
	rtaUID     = 0x19 // RTA_UID
	rtaIPProto = 0x1b // RTA_IP_PROTO
	rtaSport   = 0x1c // RTA_SPORT
	rtaDport   = 0x1d // RTA_DPORT

	rtmLookupTable = 0x1000 // RTM_F_LOOKUP_TABLE
	rtmFIBMatch    = 0x2000 // RTM_F_FIB_MATCH
)

// routeTypes names rtm_type as ip-route(8) does.
var routeTypes = [...]string{
	syscall.RTN_UNICAST:     "unicast",
	syscall.RTN_LOCAL:       "local",
	syscall.RTN_BROADCAST:   "broadcast",
	syscall.RTN_ANYCAST:     "anycast",
	syscall.RTN_MULTICAST:   "multicast",
	syscall.RTN_BLACKHOLE:   "blackhole",
	syscall.RTN_UNREACHABLE: "unreachable",
	syscall.RTN_PROHIBIT:    "prohibit",
	syscall.RTN_THROW:       "throw",
	syscall.RTN_NAT:         "nat",
}

func routeTypeName(typ uint8) string {
	if int(typ) < len(routeTypes) {
		return routeTypes[typ]
	}
	return ""
}

// routeMsg is a struct rtmsg with the attributes that matter here.
type routeMsg struct {
	family  uint8
	typ     uint8
	tos     uint8
	prefix  netip.Prefix // 0.0.0.0/0 or ::/0 for the default route
	source  netip.Addr
	gateway netip.Addr
	table   uint32
	oif     int
	mtu     uint32
	errno   syscall.Errno // rta_error of RTA_CACHEINFO: IPv6 reject routes
}

// parseRoute reads the payload of an RTM_NEWROUTE message.
func parseRoute(b []byte) (m routeMsg, ok bool) {
	if len(b) < syscall.SizeofRtMsg {
		return m, false
	}
	m = routeMsg{family: b[0], tos: b[3], table: uint32(b[4]), typ: b[7]}
	dst := netip.IPv4Unspecified()
	if m.family == syscall.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	length := int(b[1])
	for typ, v := range attrs(b[syscall.SizeofRtMsg:]) {
		switch typ {
		case syscall.RTA_DST:
			dst = address(v)
		case syscall.RTA_PREFSRC:
			m.source = address(v)
		case syscall.RTA_GATEWAY:
			m.gateway = address(v)
		case rtaVia: // struct rtvia: family, address
			if len(v) > 2 {
				m.gateway = address(v[2:])
			}
		case syscall.RTA_OIF:
			m.oif = int(int32(word(v)))
		case syscall.RTA_TABLE:
			m.table = word(v)
		case syscall.RTA_METRICS:
			for metric, value := range attrs(v) {
				if metric == syscall.RTAX_MTU {
					m.mtu = word(value)
				}
			}
		case syscall.RTA_CACHEINFO: // struct rta_cacheinfo
			if len(v) >= 16 {
				m.errno = absErrno(int32(binary.NativeEndian.Uint32(v[12:])))
			}
		}
	}
	m.prefix = netip.PrefixFrom(dst, length)
	return m, dst.IsValid() && m.prefix.IsValid()
}

// absErrno takes an errno of either sign.
func absErrno(e int32) syscall.Errno {
	if e < 0 {
		e = -e
	}
	if e < 0 || e > 4095 { // MAX_ERRNO
		return 0
	}
	return syscall.Errno(e)
}
