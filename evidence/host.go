package evidence

import "net/netip"

// Route is the kernel's answer to "how would this packet go" (RTM_GETROUTE),
// asked with the attempt's own source, mark and interface.
type Route struct {
	To        netip.Addr   `json:"to"`
	Errno     Errno        `json:"errno,omitempty"`           // the look-up's own error: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL
	Type      string       `json:"type,omitempty"`            // unicast, local, broadcast, multicast, unreachable, prohibit, blackhole, throw
	Prefix    netip.Prefix `json:"prefix,omitzero"`           // the matching entry, where it could be found
	Table     int          `json:"table,omitempty"`           // RT_TABLE_*: 254 is main, 255 local
	Interface string       `json:"interface,omitempty"`       // outgoing
	Index     int          `json:"index,omitempty"`           // its ifindex
	Gateway   netip.Addr   `json:"gateway,omitzero"`          // absent: the destination is on the link
	Source    netip.Addr   `json:"preferred_source,omitzero"` // of the route
	MTU       int          `json:"mtu,omitempty"`             // RTAX_MTU or a learned path MTU, bytes

	// Undecided are routing rules that may lead the attempt's own packets another
	// way than this: by a source port that was not known yet, by a mark.
	Undecided []RouteRule `json:"undecided,omitempty"`
}

// RouteRule is a routing rule (ip-rule(8)).
type RouteRule struct {
	Priority int    `json:"priority"`
	Refuses  Errno  `json:"refuses,omitempty"` // unreachable, prohibit and blackhole: what they give; empty: it asks a table
	By       string `json:"by"`                // the selector that cannot be decided: "sport", "fwmark", "port mask"
}

// OnLink says that the destination is reached without a router.
func (r *Route) OnLink() bool { return r.Type == "unicast" && !r.Gateway.IsValid() }

// Link is the state of a network interface.
type Link struct {
	Name     string `json:"name"`
	Index    int    `json:"index"`
	Exists   bool   `json:"exists"`             // false: no interface of this name
	Up       bool   `json:"up"`                 // IFF_UP: switched on by the administrator
	Carrier  bool   `json:"carrier"`            // IFF_LOWER_UP: the wire is alive
	Oper     string `json:"oper,omitempty"`     // RFC 2863 ifOperStatus: up, down, dormant, lowerlayerdown, unknown
	Loopback bool   `json:"loopback,omitempty"` // IFF_LOOPBACK
	Type     string `json:"type,omitempty"`     // veth, bridge, tun, wireguard, "" for a plain device
	MTU      int    `json:"mtu,omitempty"`      // bytes

	Prefixes []netip.Prefix `json:"prefixes,omitempty"` // the addresses on it, where they were asked for
}

// Neighbour is the ARP or ND entry of the next hop. An absent entry has State
// "NONE". For a gateway, Gateway is true.
type Neighbour struct {
	Addr      netip.Addr `json:"addr"`
	Interface string     `json:"interface"`
	State     string     `json:"state"` // NONE, INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, NOARP, PERMANENT
	LinkAddr  string     `json:"link_addr,omitempty"`
	Gateway   bool       `json:"gateway,omitempty"`
}

// HostAddr answers: is this address on this host, and where.
type HostAddr struct {
	Addr      netip.Addr `json:"addr"`
	Local     bool       `json:"local"`
	Interface string     `json:"interface,omitempty"`
	Tentative bool       `json:"tentative,omitempty"` // IPv6 duplicate address detection has not ended (RFC 4862 §5.4)
}

// Sysctl is one kernel setting as it was read.
type Sysctl struct {
	Name  string `json:"name"` // net.ipv4.tcp_syn_retries
	Value string `json:"value"`
}

// Counters holds by how much counters rose between the attempt's start and the
// moment of the entry. They belong to the whole network namespace (or the
// interface), so a rise may be somebody else's; no rise rules the event out.
// A counter that could not be read is absent, one that did not move is 0.
type Counters struct {
	Scope string           `json:"scope"` // "netns", "link:NAME", "conntrack"
	Rise  map[string]int64 `json:"rise"`  // names as the kernel has them: "TcpExt.TCPRetransFail", "tx_packets"
}

// Ports tells how much of the ephemeral port range is taken toward one
// destination from one source address.
type Ports struct {
	Low    uint16         `json:"low"`
	High   uint16         `json:"high"`
	Toward netip.AddrPort `json:"toward"`
	Source netip.Addr     `json:"from,omitzero"`
	InUse  int            `json:"in_use"`
	Waits  int            `json:"time_wait"` // of those in use
}

// Listener answers: does any socket of this host (this network namespace)
// listen for connections to this address. QueueLen and Backlog are the accept
// queue's length and limit.
type Listener struct {
	Addr     netip.AddrPort `json:"addr"`
	Found    bool           `json:"found"`
	Bound    netip.AddrPort `json:"bound,omitzero"` // what it is bound to: the wildcard, or the address itself
	QueueLen int            `json:"queue_len,omitempty"`
	Backlog  int            `json:"backlog,omitempty"`
	PID      int            `json:"pid,omitempty"` // where visible
	Command  string         `json:"command,omitempty"`
}

// Holder is the socket that occupies a local address and port.
type Holder struct {
	Local   netip.AddrPort `json:"local"`
	Remote  netip.AddrPort `json:"remote,omitzero"`
	State   string         `json:"state"` // LISTEN, ESTABLISHED, TIME_WAIT, ...
	PID     int            `json:"pid,omitempty"`
	Command string         `json:"command,omitempty"`
}

// Limit is a resource limit and how much of it is used.
type Limit struct {
	Name string `json:"name"` // "RLIMIT_NOFILE", "fs.file-max"
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard,omitempty"`
	Used uint64 `json:"used"`
}

// Conntrack is the fill of this namespace's connection tracking table.
type Conntrack struct {
	Count int `json:"count"`
	Max   int `json:"max"`
}

// Security is what is known of policies that can deny a system call.
type Security struct {
	Seccomp    int    `json:"seccomp"`           // /proc/self/status: 0 off, 1 strict, 2 filter
	NoNewPrivs bool   `json:"no_new_privs"`      // set by whoever confines itself (prctl(2))
	LSM        string `json:"lsm,omitempty"`     // /sys/kernel/security/lsm
	Profile    string `json:"profile,omitempty"` // /proc/self/attr/current

	Programs []CgroupProgram `json:"cgroup_programs,omitempty"` // that connect(2) runs; empty also where they cannot be seen
}

// CgroupProgram is a BPF program of this process's control group (cgroups(7)),
// or of one above it.
type CgroupProgram struct {
	ID     uint32 `json:"id"`     // bpftool prog show id ID
	Attach string `json:"attach"` // connect4 (BPF_CGROUP_INET4_CONNECT) or connect6
	Cgroup string `json:"cgroup"` // the process's own
}

// Unseen is evidence that could not be had, and why.
type Unseen struct {
	What string `json:"what"` // "packets", "kernel_events", "error_queue", ...
	Why  string `json:"why"`
}

func (*Route) Kind() Kind     { return "route" }
func (*Link) Kind() Kind      { return "link" }
func (*Neighbour) Kind() Kind { return "neighbour" }
func (*HostAddr) Kind() Kind  { return "host_addr" }
func (*Sysctl) Kind() Kind    { return "sysctl" }
func (*Counters) Kind() Kind  { return "counters" }
func (*Ports) Kind() Kind     { return "ports" }
func (*Listener) Kind() Kind  { return "listener" }
func (*Holder) Kind() Kind    { return "holder" }
func (*Limit) Kind() Kind     { return "limit" }
func (*Conntrack) Kind() Kind { return "conntrack" }
func (*Security) Kind() Kind  { return "security" }
func (*Unseen) Kind() Kind    { return "unseen" }
