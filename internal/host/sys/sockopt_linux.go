package sys

import "golang.org/x/sys/unix"

// Socket families, types and options, by the names of socket(7), ip(7),
// ipv6(7) and tcp(7).
const (
	AFInet  = unix.AF_INET
	AFInet6 = unix.AF_INET6

	SockStream = unix.SOCK_STREAM
	SockDgram  = unix.SOCK_DGRAM

	ProtoMPTCP = unix.IPPROTO_MPTCP

	SolSocket = unix.SOL_SOCKET
	SolIP     = unix.IPPROTO_IP
	SolIPv6   = unix.IPPROTO_IPV6
	SolTCP    = unix.IPPROTO_TCP

	SoBindToDevice = unix.SO_BINDTODEVICE
	SoMark         = unix.SO_MARK
	SoBroadcast    = unix.SO_BROADCAST

	IPTOS               = unix.IP_TOS
	IPTTL               = unix.IP_TTL
	IPRecvErr           = unix.IP_RECVERR
	IPBindAddressNoPort = unix.IP_BIND_ADDRESS_NO_PORT
	IPLocalPortRange    = unix.IP_LOCAL_PORT_RANGE // high<<16 | low; Linux 6.3, for both families at level SolIP

	IPv6TClass      = unix.IPV6_TCLASS
	IPv6UnicastHops = unix.IPV6_UNICAST_HOPS
	IPv6RecvErr     = unix.IPV6_RECVERR

	TCPUserTimeout     = unix.TCP_USER_TIMEOUT // milliseconds
	TCPSynCnt          = unix.TCP_SYNCNT
	TCPFastOpenConnect = unix.TCP_FASTOPEN_CONNECT
)
