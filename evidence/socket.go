package evidence

import (
	"net/netip"
	"time"
)

// Call is a system call of the attempt other than connect(2): socket, bind (Arg
// is the address), setsockopt (Arg is "IP_TTL=3"), getsockopt, poll.
type Call struct {
	Call  string `json:"call"`
	Arg   string `json:"arg,omitempty"`
	Errno Errno  `json:"errno,omitempty"`
}

// Connect is what connect(2) returned at once; its time is that of the call,
// which is when the first SYN went. EINPROGRESS is the usual
// answer of a non-blocking socket; an empty Errno means that the handshake
// completed within the call (or, with FastOpen, was deferred to the first
// write: tcp(7), TCP_FASTOPEN_CONNECT).
type Connect struct {
	Remote   netip.AddrPort `json:"remote"`
	Errno    Errno          `json:"errno,omitempty"`
	FastOpen bool           `json:"fast_open,omitempty"`
}

// Ready is what poll(2) said when the wait ended.
type Ready struct {
	Readable   bool `json:"readable,omitempty"`    // POLLIN
	Writable   bool `json:"writable,omitempty"`    // POLLOUT
	Error      bool `json:"error,omitempty"`       // POLLERR: SO_ERROR is set, or the error queue holds something
	Hangup     bool `json:"hangup,omitempty"`      // POLLHUP: both directions are shut
	PeerClosed bool `json:"peer_closed,omitempty"` // POLLRDHUP: the peer sent FIN
}

// SOError is getsockopt(SO_ERROR) after readiness: the one test that decides
// (connect(2), EINPROGRESS). Reading it clears it.
//
// Soft says that the connection stands all the same: while the handshake was
// completed an ICMP error was kept as a soft one, which SO_ERROR gives when
// there is no other (tcp_v4_err, sk_getsockopt), and TCP_INFO says ESTABLISHED
// before and after.
type SOError struct {
	Errno Errno `json:"errno,omitempty"`
	Soft  bool  `json:"soft,omitempty"`
}

// LocalAddr is the address that the kernel chose, or that was bound.
type LocalAddr struct {
	Addr netip.AddrPort `json:"addr"`
}

// TCPInfo is the part of struct tcp_info (linux/tcp.h) that speaks of the
// handshake, or what the system has in its place (TCP_CONNECTION_INFO on
// Darwin). Durations are in nanoseconds as JSON has them.
type TCPInfo struct {
	State        string        `json:"state"`                   // SYN_SENT, ESTABLISHED, CLOSE, ... as ss(8) spells them
	Retransmits  uint8         `json:"retransmits"`             // tcpi_retransmits: timeouts in a row, unanswered
	TotalRetrans uint32        `json:"total_retrans"`           // tcpi_total_retrans: every retransmission, SYNs included
	Backoff      uint8         `json:"backoff"`                 // tcpi_backoff: stays 0 through linear timeouts
	RTO          time.Duration `json:"rto_ns,omitempty"`        // tcpi_rto
	RTT          time.Duration `json:"rtt_ns,omitempty"`        // tcpi_rtt, smoothed; after the handshake, the handshake's own
	RTTVar       time.Duration `json:"rttvar_ns,omitempty"`     // tcpi_rttvar
	SndMSS       uint32        `json:"snd_mss,omitempty"`       // bytes
	RcvMSS       uint32        `json:"rcv_mss,omitempty"`       // bytes
	PMTU         uint32        `json:"pmtu,omitempty"`          // bytes
	SndWScale    uint8         `json:"snd_wscale,omitempty"`    // the peer's window scale (RFC 7323 §2.2)
	RcvWScale    uint8         `json:"rcv_wscale,omitempty"`    // ours
	Options      []string      `json:"options,omitempty"`       // agreed in the handshake: timestamps, sack, wscale, ecn, ecn_seen, syn_data, usec_ts
	SegsOut      uint32        `json:"segs_out,omitempty"`      // tcpi_segs_out
	SegsIn       uint32        `json:"segs_in,omitempty"`       // tcpi_segs_in
	Unacked      uint32        `json:"unacked,omitempty"`       // tcpi_unacked: SYN_SENT has 1
	FastOpenFail uint8         `json:"fastopen_fail,omitempty"` // tcpi_fastopen_client_fail
	Received     uint64        `json:"received,omitempty"`      // tcpi_bytes_received: octets of data that came, read or not
	SinceACK     time.Duration `json:"since_ack_ns,omitempty"`  // tcpi_last_ack_recv: how long ago the peer's last acknowledgment came, the SYN-ACK's perhaps
}

// ICMP is one entry of a socket's error queue (ip(7), IP_RECVERR): an ICMP
// error about this socket's packet, or one that this host's own stack made.
type ICMP struct {
	Version  uint8      `json:"version"` // 4 or 6
	Type     uint8      `json:"type"`
	Code     uint8      `json:"code"`
	Errno    Errno      `json:"errno"`             // what the kernel made of it (icmp_err_convert, icmpv6_err_convert)
	Offender netip.Addr `json:"offender,omitzero"` // SO_EE_OFFENDER: who sent it; a local address means this host
	Local    bool       `json:"local,omitempty"`   // SO_EE_ORIGIN_LOCAL: the stack's own word, no packet (EMSGSIZE)
	MTU      uint32     `json:"mtu,omitempty"`     // fragmentation needed, packet too big: bytes
	Pointer  uint32     `json:"pointer,omitempty"` // parameter problem: the octet in question
	Quoted   *QuotedTCP `json:"quoted,omitempty"`  // the segment that it quotes, where enough of it was
	To       netip.Addr `json:"to,omitzero"`       // whom the quoted packet was sent to, if told
	Text     string     `json:"text,omitempty"`    // RFC 792 / RFC 4443 words: "communication administratively prohibited"
}

// QuotedTCP is the start of the TCP header that an ICMP error quotes (RFC 792
// has at least 8 octets of it).
type QuotedTCP struct {
	SrcPort uint16 `json:"src_port"`
	DstPort uint16 `json:"dst_port"`
	Seq     uint32 `json:"seq"`
}

// FirstMoments is what the peer did in the moments after the handshake, looked
// at without taking anything from the application (poll(2), MSG_PEEK, SIOCINQ).
type FirstMoments struct {
	Watched time.Duration `json:"watched_ns"`      // how long the connection was watched
	Bytes   int           `json:"bytes,omitempty"` // waiting to be read: the peer spoke first
	FIN     bool          `json:"fin,omitempty"`   // the peer has closed its side
	Reset   bool          `json:"reset,omitempty"` // the peer has reset: the state is CLOSE, and the next read will fail
}

// Datagram is one UDP exchange: a probe sent and what came of it. Bytes are
// payload octets.
type Datagram struct {
	Sent      int           `json:"sent"`
	SendErrno Errno         `json:"send_errno,omitempty"`
	Waited    time.Duration `json:"waited_ns,omitempty"`
	Received  int           `json:"received,omitempty"`
	Answered  bool          `json:"answered,omitempty"` // a datagram came back, perhaps an empty one
	RecvErrno Errno         `json:"recv_errno,omitempty"`
	Payload   string        `json:"payload,omitempty"` // the name of the probe's payload: "empty", "dns", "given", ...
	Asks      string        `json:"asks,omitempty"`    // what a known payload asks
	Unheard   string        `json:"unheard,omitempty"` // why a service that is there may leave this payload unanswered
	Size      int           `json:"size,omitempty"`    // of a datagram that was too large (EMSGSIZE); Limit is what would have gone
	Limit     int           `json:"limit,omitempty"`
	PathMTU   int           `json:"path_mtu,omitempty"` // octets, as the kernel knows it; with EMSGSIZE
}

// Expired says that a deadline of ours ended the attempt; the socket was closed.
type Expired struct {
	Limit time.Duration `json:"limit_ns"` // how long was allowed, from the attempt's start; for "dial", from the dial's
	Scope string        `json:"scope"`    // whose it was: "attempt", "dial", "share", "context"; "explained": none had passed, but experiments had explained the silence
}

// Cancelled says that the attempt was ended from outside; the socket was closed.
type Cancelled struct {
	By     string `json:"by"` // "caller": the context; "race": another address won (RFC 8305 §5); "signal": EINTR
	Reason string `json:"reason,omitempty"`
}

// Schedule is the prediction of when SYNs are sent again and when the kernel
// gives up by itself (tcp_timer.c; see internal/tcpstate). Times are since the
// first SYN.
type Schedule struct {
	Resend  []time.Duration `json:"resend_ns"`
	End     time.Duration   `json:"end_ns"`
	Retries int             `json:"retries"`         // tcp_syn_retries or TCP_SYNCNT
	Linear  int             `json:"linear"`          // tcp_syn_linear_timeouts
	Limit   string          `json:"limit,omitempty"` // which rule ends it: "retries", "user_timeout"
}

// The kinds. Each is constant and never renamed.

func (*Call) Kind() Kind         { return "call" }
func (*Connect) Kind() Kind      { return "connect" }
func (*Ready) Kind() Kind        { return "ready" }
func (*SOError) Kind() Kind      { return "so_error" }
func (*LocalAddr) Kind() Kind    { return "local_addr" }
func (*TCPInfo) Kind() Kind      { return "tcp_info" }
func (*ICMP) Kind() Kind         { return "icmp" }
func (*FirstMoments) Kind() Kind { return "first_moments" }
func (*Datagram) Kind() Kind     { return "datagram" }
func (*Expired) Kind() Kind      { return "expired" }
func (*Cancelled) Kind() Kind    { return "cancelled" }
func (*Schedule) Kind() Kind     { return "syn_schedule" }
