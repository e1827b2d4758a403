package feature

// Survey probes every source of evidence, in the order in which a person would
// want to read of them. With CAP_NET_RAW it takes some 10 ms: to close a packet
// socket waits for the kernel (packet_release, synchronize_net).
func Survey() []Feature {
	all := make([]Feature, 0, len(probes))
	for _, p := range probes {
		f := p.try()
		all = append(all, Feature{ID: p.id, Title: p.title, State: f.state, Why: f.why, Adds: p.adds, Needs: f.needs})
	}
	return all
}

// finding is what one probe found.
type finding struct {
	state State
	why   string
	needs string
}

// probe is one row of the survey.
type probe struct {
	id, title, adds string
	try             func() finding
}

var probes = []probe{
	{"error_queue", "ICMP errors from the socket's error queue (IP_RECVERR)",
		"who sent an ICMP error, its type and code", tryErrorQueue},
	{"tcp_info", "the kernel's state of a connection (TCP_INFO)",
		"SYNs sent again, round trip time, options agreed", tryTCPInfo},
	{"rtnetlink", "routes, neighbours and links (rtnetlink)",
		"which route, gateway and interface an attempt takes, and whether the next hop answers", tryRtnetlink},
	{"sock_diag", "the sockets of this host (sock_diag)",
		"whether this host listens at the address, who holds a port, how many ports are in use", trySockDiag},
	{"counters", "the kernel's counters (/proc/net)",
		"what this host itself sent again or threw away during the attempt", tryCounters},
	{"ping_socket", "ICMP echo without privilege (ping socket)",
		"whether a silent destination is alive", tryPing},
	{"packets", "packet capture (AF_PACKET)",
		"the packets themselves: who made a RST or SYN-ACK, bad checksums, replies that this host drops (--packets)", tryPackets},
	{"raw_socket", "packets of one's own making (raw socket)",
		"probes that connect(2) cannot send: a SYN without options, a bare acknowledgment", tryRaw},
	{"kernel_events", "kernel events (BPF tracepoints)",
		"the reason for which this host itself drops a packet of the attempt (--kernel): its filter, reverse path filtering, a bad checksum", tryKernelEvents},
	{"nftables", "this host's packet filter (nftables)",
		"the rule that drops or rejects", tryNftables},
	{"mark", "packet marks (SO_MARK)",
		"attempts on the routes and filters of a mark (--mark)", tryMark},
	{"interface", "a socket bound to an interface (SO_BINDTODEVICE)",
		"attempts through one interface (--interface)", tryInterface},
	{"local_port_range", "a socket's own range of ports (IP_LOCAL_PORT_RANGE)",
		"attempts from chosen ports (Dialer.LocalPorts)", tryLocalPortRange},
	{"bind_no_port", "a source address without a port (IP_BIND_ADDRESS_NO_PORT)",
		"a source address does not use up a port for every destination", tryBindNoPort},
	{"fast_open", "TCP Fast Open, as client",
		"data in the SYN (Dialer.FastOpen)", tryFastOpen},
	{"mptcp", "Multipath TCP",
		"several paths for one connection (Dialer.MPTCP)", tryMPTCP},
	{"io_uring", "io_uring",
		"many attempts at once for less; a connect that a seccomp filter on connect(2) does not see", tryIOURing},
	{"user_namespaces", "user namespaces without privilege",
		"throwaway networks to try things in, without root", tryUserNamespaces},
	{"give_up_privileges", "giving up privileges (capset)",
		"as root a dial keeps only the capabilities that it makes use of", tryGiveUp},
	{"landlock", "Landlock",
		"a program that confines itself; from ABI 4 on a policy can deny TCP connects with EACCES", tryLandlock},
}
