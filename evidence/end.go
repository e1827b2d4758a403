package evidence

import "time"

// End is one way in which an established connection, or one direction of it,
// ended for its user. A log may hold several, in their order: an end of file,
// then a write that failed. Once a log has one, the verdict is about the end
// of the connection and no longer about its beginning.
type End struct {
	By    string        `json:"by"`              // the call, or what else ended it: the By… constants
	Errno Errno         `json:"errno,omitempty"` // what the call gave
	EOF   bool          `json:"eof,omitempty"`   // read(2) gave 0
	Limit time.Duration `json:"limit_ns,omitempty"`
}

// What can end a connection for its user.
const (
	ByRead      = "read"       // a read gave end of file or an error
	ByWrite     = "write"      // a write gave an error
	ByShutdown  = "shutdown"   // this program closed its sending direction: shutdown(2), SHUT_WR
	ByCloseRead = "close_read" // this program closed its receiving direction: SHUT_RD
	ByClose     = "close"      // this program closed the connection
	ByReset     = "reset"      // this program closed it with a RST: SO_LINGER of no time (socket(7))
	ByForget    = "forget"     // this program dropped it without a packet (TCP_REPAIR), as a host that crashes
	ByLimit     = "limit"      // a bound of this program's passed, Limit long
	BySignal    = "signal"     // this program was interrupted
	ByLook      = "look"       // nothing ended: this is how the connection stands
)

// Flow is an established connection's traffic at one moment: TCP_INFO (tcp(7),
// struct tcp_info), with SIOCOUTQ and SIOCINQ. It can be read until the
// descriptor is closed, also after the connection has ended. The times are how
// long ago, at the moment of the entry.
type Flow struct {
	State         string        `json:"state"`                       // as ss(8) spells it: CLOSE after an error
	Sent          uint64        `json:"sent"`                        // octets that the kernel took from the program
	Received      uint64        `json:"received"`                    // octets that came in order, read or not (tcpi_bytes_received)
	Unacked       uint64        `json:"unacknowledged"`              // octets of Sent that the peer's kernel has not acknowledged (SIOCOUTQ)
	Unsent        uint64        `json:"unsent,omitempty"`            // octets of Unacked that never left (tcpi_notsent_bytes)
	Unread        uint64        `json:"unread,omitempty"`            // octets that wait to be read (SIOCINQ)
	FINUnacked    bool          `json:"fin_unacknowledged"`          // this end's FIN was not acknowledged
	Timeouts      uint8         `json:"timeouts"`                    // tcpi_retransmits: retransmission timeouts in a row
	Probes        uint8         `json:"probes"`                      // tcpi_probes: keepalive or window probes in a row without an answer
	Backoff       uint8         `json:"backoff"`                     // tcpi_backoff: of the retransmission or window probe timer
	Retransmitted uint32        `json:"retransmitted"`               // tcpi_total_retrans: segments, in the connection's whole life
	SinceSent     time.Duration `json:"since_sent_ns"`               // tcpi_last_data_sent: data, a retransmission included
	SinceReceived time.Duration `json:"since_received_ns"`           // tcpi_last_data_recv: data
	SinceAck      time.Duration `json:"since_acknowledgment_ns"`     // tcpi_last_ack_recv: any acceptable acknowledgment; a RST is none
	WindowKnown   bool          `json:"window_known,omitempty"`      // the kernel tells the peer's window (Linux 5.4)
	Window        uint32        `json:"window"`                      // tcpi_snd_wnd: octets that the peer will take beyond the acknowledged ones
	WindowLimited time.Duration `json:"window_limited_ns,omitempty"` // tcpi_rwnd_limited: how long in all the window held data back
	RTO           time.Duration `json:"rto_ns,omitempty"`
	RTT           time.Duration `json:"rtt_ns,omitempty"`         // smoothed
	Quiet         time.Duration `json:"quiet_ns,omitempty"`       // how long nothing had passed when the program wrote after a pause, last
	SinceQuiet    time.Duration `json:"since_quiet_ns,omitempty"` // how long ago that pause ended; 0: there was none
}

// Alive are the settings that decide when an end notices that the other one is
// gone. Zero: the kernel's default.
type Alive struct {
	KeepAlive   bool          `json:"keepalive"`                   // SO_KEEPALIVE
	Idle        time.Duration `json:"keepalive_idle_ns,omitempty"` // TCP_KEEPIDLE
	Interval    time.Duration `json:"keepalive_interval_ns,omitempty"`
	Count       int           `json:"keepalive_count,omitempty"`
	UserTimeout time.Duration `json:"user_timeout_ns,omitempty"` // TCP_USER_TIMEOUT; 0: not set
}

func (*End) Kind() Kind   { return "end" }
func (*Flow) Kind() Kind  { return "flow" }
func (*Alive) Kind() Kind { return "alive" }

// FINReceived says that the kernel has the peer's FIN (RFC 9293 §3.3.2).
func (f *Flow) FINReceived() bool {
	switch f.State {
	case "CLOSE_WAIT", "LAST_ACK", "CLOSING", "TIME_WAIT":
		return true
	}
	return false
}
