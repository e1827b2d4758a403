package evidence

import "net/netip"

// KernelWatch says that the kernel of this host was listened to, from the
// entry's time on; a time of 0 is from before the attempt's first packet.
type KernelWatch struct {
	Tracepoints []string `json:"tracepoints"`    // that are heard: "skb:kfree_skb"
	Lost        uint64   `json:"lost,omitempty"` // events of the machine that found no room: one may be the attempt's
}

// KernelDrop is a packet of the attempt that the kernel of this host, in the
// attempt's own network namespace, threw away (tracepoint skb:kfree_skb).
type KernelDrop struct {
	Direction string         `json:"direction"`           // sent: by the attempt's socket; received: for it
	Reason    string         `json:"reason"`              // enum skb_drop_reason of the running kernel, without its prefix: "NETFILTER_DROP"
	Location  string         `json:"location,omitempty"`  // the kernel function; empty where kernel.kptr_restrict hides it
	Protocol  string         `json:"protocol"`            // tcp, udp
	From      netip.AddrPort `json:"from"`                // as the packet says
	To        netip.AddrPort `json:"to"`                  // as the packet says
	Flags     string         `json:"flags,omitempty"`     // of TCP: "SYN", "SYN-ACK", "RST-ACK"
	TTL       int            `json:"ttl,omitempty"`       // as it was then
	Length    int            `json:"length,omitempty"`    // IP header included, bytes
	Arrived   bool           `json:"arrived,omitempty"`   // it had come in by an interface, the loopback included
	Interface string         `json:"interface,omitempty"` // by which it came, or would have gone
	Quoted    bool           `json:"quoted,omitempty"`    // it was an ICMP error; From, To and Protocol stand in the packet that it quotes
	ICMPType  int            `json:"icmp_type,omitempty"`
	ICMPCode  int            `json:"icmp_code,omitempty"`
}

// The directions of a packet, seen from the attempt's socket.
const (
	Sent     = "sent"
	Received = "received"
)

// KernelRetransmit is the attempt's SYN sent again (tracepoint
// tcp:tcp_retransmit_skb). It is written also where the packet dies on its way
// out of this host.
type KernelRetransmit struct {
	State string `json:"state"` // SYN_SENT
}

// KernelReset is a RST that this host's TCP sent or took (tracepoints
// tcp:tcp_send_reset, tcp:tcp_receive_reset). One that a packet filter makes is
// in neither.
type KernelReset struct {
	Direction string `json:"direction"`        // sent, received
	Reason    string `json:"reason,omitempty"` // of one sent: enum sk_rst_reason without its prefix, Linux 6.10: "NO_SOCKET"
	State     string `json:"state,omitempty"`  // of the attempt's socket at that moment
}

func (*KernelWatch) Kind() Kind      { return "kernel_watch" }
func (*KernelDrop) Kind() Kind       { return "kernel_drop" }
func (*KernelRetransmit) Kind() Kind { return "kernel_retransmit" }
func (*KernelReset) Kind() Kind      { return "kernel_reset" }
