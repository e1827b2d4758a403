package feature

import (
	"syscall"

	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// withSocket hands an unconnected socket to f and closes it. call is what f
// does, as a person would write it; caps would lift a refusal.
func withSocket(family, typ, proto int, call string, f func(fd int) syscall.Errno, caps ...capability) finding {
	fd, errno := sys.Socket(family, typ, proto)
	if errno != 0 {
		return refused("socket(2)", errno, caps...)
	}
	defer sys.Close(fd)
	if errno := f(fd); errno != 0 {
		return refused(call, errno, caps...)
	}
	return finding{state: Yes, why: call + " was taken"}
}

func tryErrorQueue() finding {
	f := withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(IP_RECVERR)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolIP, sys.IPRecvErr, 1)
	})
	if f.state != Yes {
		return f
	}
	v6 := withSocket(sys.AFInet6, sys.SockStream, 0, "setsockopt(IPV6_RECVERR)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolIPv6, sys.IPv6RecvErr, 1)
	})
	if v6.state != Yes {
		f.why += " for IPv4; for IPv6 " + v6.why
	}
	return f
}

func tryTCPInfo() finding {
	return withSocket(sys.AFInet, sys.SockStream, 0, "getsockopt(TCP_INFO)", func(fd int) syscall.Errno {
		var info sys.TCPInfo
		return sys.GetTCPInfo(fd, &info)
	})
}

// tryPing opens a socket for echo requests (icmp(7), net.ipv4.ping_group_range).
func tryPing() finding {
	fd, errno := sys.Socket(sys.AFInet, sys.SockDgram, syscall.IPPROTO_ICMP)
	if errno == 0 {
		sys.Close(fd)
		return finding{state: Yes, why: "socket(SOCK_DGRAM, IPPROTO_ICMP) was opened"}
	}
	f := finding{state: No, why: "socket(SOCK_DGRAM, IPPROTO_ICMP): " + sys.ErrnoName(errno)}
	if errno == syscall.EACCES || errno == syscall.EPERM {
		f.needs = `sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"`
		if s, err := procfs.Sysctl("net.ipv4.ping_group_range"); err == nil {
			f.why += "; the groups that may are " + s.Value + " (net.ipv4.ping_group_range)"
		}
	}
	return f
}

// tryPackets opens a packet socket that is bound to no protocol and so
// receives nothing (packet(7)).
func tryPackets() finding {
	return withSocket(syscall.AF_PACKET, syscall.SOCK_RAW, 0, "socket(AF_PACKET)", nothing, netRaw)
}

// tryRaw opens a raw socket of IPPROTO_RAW, which only sends (raw(7)).
func tryRaw() finding {
	return withSocket(sys.AFInet, syscall.SOCK_RAW, syscall.IPPROTO_RAW, "socket(SOCK_RAW)", nothing, netRaw)
}

func nothing(int) syscall.Errno { return 0 }

func tryMark() finding {
	return withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(SO_MARK)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolSocket, sys.SoMark, 1)
	}, netRaw) // CAP_NET_ADMIN before Linux 5.17
}

func tryInterface() finding {
	return withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(SO_BINDTODEVICE)", func(fd int) syscall.Errno {
		return sys.SetsockoptString(fd, sys.SolSocket, sys.SoBindToDevice, "lo")
	}, netRaw) // no capability since Linux 5.7
}

func tryLocalPortRange() finding {
	return withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(IP_LOCAL_PORT_RANGE)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolIP, sys.IPLocalPortRange, 60999<<16|40000)
	})
}

func tryBindNoPort() finding {
	return withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(IP_BIND_ADDRESS_NO_PORT)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolIP, sys.IPBindAddressNoPort, 1)
	})
}

// tryFastOpen sets the option that the kernel takes only while bit 0 of
// net.ipv4.tcp_fastopen is set (do_tcp_setsockopt).
func tryFastOpen() finding {
	f := withSocket(sys.AFInet, sys.SockStream, 0, "setsockopt(TCP_FASTOPEN_CONNECT)", func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolTCP, sys.TCPFastOpenConnect, 1)
	})
	return switchedOff(f, "net.ipv4.tcp_fastopen", "sudo sysctl -w net.ipv4.tcp_fastopen=1")
}

func tryMPTCP() finding {
	f := withSocket(sys.AFInet, sys.SockStream, sys.ProtoMPTCP, "socket(IPPROTO_MPTCP)", nothing)
	return switchedOff(f, "net.mptcp.enabled", "sudo sysctl -w net.mptcp.enabled=1")
}

// switchedOff adds the setting that decides to a refusal, where it exists.
func switchedOff(f finding, setting, command string) finding {
	if f.state == Yes {
		return f
	}
	if s, err := procfs.Sysctl(setting); err == nil {
		f.why, f.needs = f.why+" ("+setting+" is "+s.Value+")", command
	}
	return f
}
