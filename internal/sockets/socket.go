// Package sockets is the table of a host's sockets: what netstat(8) and ss(8)
// show, which of it was asked for, and what is wrong with it.
//
// It is pure: an adapter reads the table from the kernel, a command prints it.
package sockets

import (
	"net/netip"
	"time"
)

// Table is the sockets of one network namespace at one moment.
type Table struct {
	At        time.Time
	Sockets   []Socket
	Processes []Process // those that hold one of the sockets
	Host      Host

	// Unheld counts the sockets that somebody holds who was not found: a process of
	// another user, seen only with CAP_SYS_PTRACE, or one of another PID namespace.
	Unheld int
	// NoProcesses says why no holders were looked for; empty: they were.
	NoProcesses string
	// Torn says that the table changed so much while it was read that some sockets
	// may be missing.
	Torn bool
}

// Socket is one row. Sizes are in octets.
type Socket struct {
	Network   string // tcp, udp
	State     State
	Local     netip.AddrPort // an IPv4-mapped address is told as IPv4
	Remote    netip.AddrPort // not valid: none
	Interface string         // the one that it is bound to (SO_BINDTODEVICE)
	V6Only    bool           // IPV6_V6ONLY, of a socket that listens

	// RecvQ is what the application has not read, SendQ what the peer has not
	// acknowledged. Of a TCP socket in LISTEN they are the length of the accept
	// queue and its limit, which RecvQ exceeds by one when it is full.
	RecvQ, SendQ uint32

	Timer   Timer
	Expires time.Duration // from the table's moment until the timer expires
	Retries uint8         // how often the timer has expired without an answer

	UID    uint32
	Inode  uint32 // 0: no process holds it
	Cookie uint64 // SO_COOKIE
	Cgroup uint64 // id of its cgroup, v2; 0: not told
	Drops  uint32 // packets that the socket itself threw away since it was made (sk_drops)

	Holders []int32 // indexes into Table.Processes
	Info    *Info   // TCP_INFO; nil: none
}

// Process is one that holds sockets.
type Process struct {
	PID       int    `json:"pid"`
	Name      string `json:"name,omitempty"`
	Cgroup    string `json:"cgroup,omitempty"`    // its path (proc(5), /proc/PID/cgroup)
	Container string `json:"container,omitempty"` // the container that the path names
}

// Info is what of TCP_INFO (tcp(7), linux/tcp.h) tells about a connection's
// health. Times are before the table's moment.
type Info struct {
	CAState       uint8         `json:"ca_state"` // 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss
	Backoff       uint8         `json:"backoff"`
	RTO           time.Duration `json:"rto_ns"`
	RTT           time.Duration `json:"rtt_ns"` // smoothed
	RTTVar        time.Duration `json:"rttvar_ns"`
	MinRTT        time.Duration `json:"min_rtt_ns"`
	SndMSS        uint32        `json:"snd_mss"`
	PMTU          uint32        `json:"pmtu"`
	Cwnd          uint32        `json:"cwnd"` // segments
	SndWnd        uint32        `json:"snd_wnd"`
	RcvWnd        uint32        `json:"rcv_wnd"`
	Unacked       uint32        `json:"unacked"`      // segments
	Lost          uint32        `json:"lost"`         // segments
	Retransmitted uint32        `json:"retransmits"`  // segments since the connection began
	BytesAcked    uint64        `json:"bytes_acked"`  // octets, the SYN's included
	BytesRecv     uint64        `json:"bytes_recv"`   // octets
	NotSent       uint32        `json:"not_sent"`     // octets
	DeliveryRate  uint64        `json:"delivery_bps"` // octets a second
	LastSent      time.Duration `json:"last_data_sent_ns"`
	LastRecv      time.Duration `json:"last_data_recv_ns"`
	LastACK       time.Duration `json:"last_ack_recv_ns"`

	// Windows says that the kernel told SndWnd (since Linux 5.4) and RcvWnd (6.2).
	Windows bool `json:"-"`
}

// Host is what the diagnosis needs to know besides the sockets. A negative
// number is one that could not be read.
type Host struct {
	ListenOverflows int64 // TcpExt.ListenOverflows: connections thrown away since boot because an accept queue was full
	PortLow         int   // net.ipv4.ip_local_port_range
	PortHigh        int
	PortsReserved   int   // how many of them ip_local_reserved_ports takes out
	MaxOrphans      int64 // net.ipv4.tcp_max_orphans
	MaxTimeWait     int64 // net.ipv4.tcp_max_tw_buckets
}

// Timer is the timer that runs for a TCP socket.
type Timer uint8

// The timers, as sock_diag tells them apart.
const (
	NoTimer Timer = iota
	Retransmit
	Keepalive
	TimeWaitTimer
	Persist
)

var timerNames = [...]string{"", "retransmit", "keepalive", "time-wait", "persist"}

func (t Timer) String() string {
	if int(t) < len(timerNames) {
		return timerNames[t]
	}
	return "?"
}
