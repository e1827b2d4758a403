package bpf

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Kind says what happened.
type Kind uint8

// The kinds of event, with the tracepoint that each comes from.
const (
	StateChange   Kind = iota + 1 // sock:inet_sock_set_state
	Drop                          // skb:kfree_skb
	Retransmit                    // tcp:tcp_retransmit_skb
	ResetSent                     // tcp:tcp_send_reset
	ResetReceived                 // tcp:tcp_receive_reset: for a socket that has one
	ErrorReport                   // sock:inet_sk_error_report: the socket has an error for its user
	ConnectFailed                 // raw_syscalls: connect(2) returned an error at once
	SocketFailed                  // raw_syscalls: socket(2) returned an error
	Forked                        // sched:sched_process_fork
	Executed                      // sched:sched_process_exec
	Exited                        // sched:sched_process_exit, of the last thread
	kinds
)

var kindNames = [kinds]string{"none", "state change", "drop", "retransmission", "reset sent", "reset received",
	"error report", "connect failed", "socket failed", "fork", "exec", "exit"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// State is a TCP state by the kernel's number (net/tcp_states.h).
type State uint8

// The states.
const (
	Established State = iota + 1
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv // a request that has no socket of its own yet
	states
)

var stateNames = [states]string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
	"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"}

// String is the kernel's name: "SYN_SENT".
func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Event is one thing that the kernel did. Which fields hold something depends
// on its kind; zero elsewhere.
type Event struct {
	Kind Kind
	Time time.Time // from CLOCK_MONOTONIC: differences to other times of this process are exact

	Network uint32 // inode of the network namespace, as in /proc/PID/ns/net
	Cookie  uint64 // of the socket: SO_COOKIE; 0 where it is unknown or has none

	// The socket's two ends. A packet that met no socket gives them by its
	// direction: Local is the destination of one that arrived.
	Local, Remote netip.AddrPort
	Protocol      uint8  // IPPROTO_TCP, IPPROTO_UDP
	HasSocket     bool   // a socket was at hand
	Cgroup        uint64 // of the socket: the inode of its directory in the cgroup2 hierarchy

	// Who opened the socket, by connect(2) or listen(2), while this session
	// ran: 0 where that is not known. Not who was running at the moment. Under
	// [Options.Own] it is not asked for. For ConnectFailed, SocketFailed and the
	// events of processes: the process itself.
	PID, UID uint32
	comm     [16]byte

	Old, New State  // StateChange; the others that have a socket: both are its state
	Errno    uint16 // ErrorReport (SO_ERROR), ConnectFailed, SocketFailed; StateChange to Close: what stands in the socket then

	// TCP's own figures at that moment (tcp_sock): StateChange, Retransmit.
	RTT             time.Duration // smoothed
	Retransmissions uint32        // in the whole life of the socket
	Acked           uint64        // bytes, with the SYN of an active open and this end's FIN
	Received        uint64        // bytes, without the peer's FIN

	// Reason is the kernel's name without its prefix: of SKB_DROP_REASON_ for
	// Drop ("NETFILTER_DROP"), of SK_RST_REASON_ for ResetSent (Linux 6.10);
	// else empty. Location is the address of the code that dropped the packet.
	Reason   string
	Location uint64
	function [functionSize]byte

	// The packet: Drop, and ResetSent for the one that is answered.
	HasPacket bool
	Packet    Packet

	Parent   uint32 // Forked: who forked PID
	ExitCode uint32 // Exited: as wait(2) has it
}

// Packet is what the headers of a packet say.
type Packet struct {
	Src, Dst netip.AddrPort
	Arrived  bool   // through an interface of this namespace, the loopback included; else it was on the way out
	Index    uint32 // of the interface
	TTL      uint8
	Length   uint16 // IP header included, bytes
	Flags    uint8  // of TCP: RFC 9293 §3.1
	Seq, Ack uint32

	// Quoted: the packet was an ICMP error of this type and code, and Src, Dst
	// and the ports stand in the packet that it quotes.
	Quoted             bool
	ICMPType, ICMPCode uint8
}

const functionSize = 40

// Function is the kernel function that Location lies in, such as
// "nft_do_chain", at most 39 bytes of it; "" before Linux 5.13, for which there
// is [Session.Symbol].
func (e *Event) Function() string {
	name, _, _ := strings.Cut(text(e.function[:]), " ") // of a module: "nft_do_chain [nf_tables]"
	return name
}

// text is a string that ends with a zero byte, or with its room.
func text(b []byte) string { return string(cut(b)) }

func cut(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b
}

// Command is the name of the process (PR_GET_NAME) that PID names, when it
// opened the socket.
func (e *Event) Command() string { return text(e.comm[:]) }

// CommandIs compares [Event.Command] without making a string of it.
func (e *Event) CommandIs(name string) bool { return string(cut(e.comm[:])) == name }
