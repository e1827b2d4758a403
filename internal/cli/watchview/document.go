package watchview

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/watch"
)

// news names them in JSON. The names are never changed.
var news = map[watch.News]string{
	watch.Begun: "begun", watch.StateIsNew: "state", watch.IsOpen: "opened", watch.SentAgain: "resent", watch.ThrownAway: "dropped",
	watch.HasFailed: "failed", watch.HasEnded: "ended", watch.Refusal: "refused", watch.StrayPacket: "stray-dropped",
}

// document is one line of `dialscope watch --json`. Its fields keep their names.
type document struct {
	Event      string         `json:"event"`
	At         time.Time      `json:"at"`
	Connection uint64         `json:"connection,omitempty"` // 0: a packet that belongs to none
	Cookie     string         `json:"cookie,omitempty"`     // SO_COOKIE, hexadecimal
	NetNS      uint32         `json:"netns,omitempty"`      // inode of the network namespace
	Network    string         `json:"network"`
	Direction  string         `json:"direction"` // out, in
	Process    *watch.Process `json:"process,omitempty"`
	Local      netip.AddrPort `json:"local,omitzero"`
	Remote     netip.AddrPort `json:"remote,omitzero"`
	State      string         `json:"state,omitempty"`
	Began      time.Time      `json:"began"`
	BeganSeen  bool           `json:"began_seen"`                  // false: it was there before
	Handshake  *time.Duration `json:"handshake_ns,omitempty"`      // from the first SYN to its completion
	Lived      *time.Duration `json:"lived_ns,omitempty"`          // failed, ended: since it began, or since it was first seen
	RTT        time.Duration  `json:"rtt_ns,omitempty"`            // smoothed, as the kernel last had it
	Resent     uint32         `json:"resent"`                      // segments, while it was watched
	Sent       uint64         `json:"bytes_acknowledged"`          // octets of data that the peer has
	Received   uint64         `json:"bytes_received"`              // octets
	First      string         `json:"first_to_close,omitempty"`    // here, peer
	RST        string         `json:"rst,omitempty"`               // sent, received
	RSTReason  string         `json:"rst_reason,omitempty"`        // the kernel's, of one that was sent
	Call       string         `json:"call,omitempty"`              // the system call that failed before any packet
	Errno      string         `json:"application_errno,omitempty"` // what its process was told
	Packet     *packet        `json:"packet,omitempty"`            // dropped, stray-dropped
	Drops      []watch.Drop   `json:"drops,omitempty"`
	Steps      []step         `json:"steps,omitempty"` // failed, ended
	StepsCut   int            `json:"steps_cut,omitempty"`

	*cause.Verdict
	Unjudged string `json:"unjudged,omitempty"` // why there is no cause
}

type packet struct {
	Reason  string `json:"reason"`
	Where   string `json:"where,omitempty"`
	Arrived bool   `json:"arrived"`
	Flags   string `json:"flags,omitempty"`
	Length  uint16 `json:"length"`
	ICMP    []int  `json:"icmp,omitempty"` // type and code
}

type step struct {
	After time.Duration `json:"after_ns"`
	What  string        `json:"what"`
	State string        `json:"state"`
	Text  string        `json:"text,omitempty"`
}

// kinds name the steps.
var kinds = map[watch.Kind]string{
	watch.Changed: "state", watch.Resent: "resent", watch.Dropped: "dropped", watch.ResetSent: "rst-sent", watch.ResetReceived: "rst-received",
	watch.Failed: "error", watch.ConnectFailed: "connect-failed", watch.SocketFailed: "socket-failed", watch.Gone: "gone", watch.Stands: "stands",
}

// Document is one news as a line of JSON.
func Document(at time.Time, st *watch.Story, n watch.News, e *watch.Event) ([]byte, error) {
	d := document{
		Event: news[n], At: at, Connection: st.Number, NetNS: st.Network, Network: "tcp", Direction: "out", Local: st.Local, Remote: st.Remote,
		Began: st.Began, BeganSeen: st.Seen, RTT: st.Flow.RTT, Resent: st.Resent, Sent: outOf(st), Received: st.Flow.Received, First: st.First,
		RSTReason: st.RSTReason, Call: st.Call, Errno: string(st.Errno), Drops: st.Drops, Unjudged: st.Unjudged,
	}
	if st.UDP {
		d.Network = "udp"
	} else if st.Call == "" {
		d.State = st.State.String()
	}
	if st.In {
		d.Direction = "in"
	}
	if st.Cookie != 0 {
		d.Cookie = strconv.FormatUint(st.Cookie, 16)
	}
	if st.Process.PID != 0 {
		d.Process = &st.Process
	}
	if st.Sync {
		d.Call = "connect"
	}
	if hs, known := st.Handshake(); known {
		d.Handshake = &hs
	}
	switch {
	case st.RSTIn:
		d.RST = "received"
	case st.RSTOut:
		d.RST = "sent"
	}
	switch n {
	case watch.HasFailed, watch.HasEnded:
		lived := st.Ended.Sub(st.Began)
		d.Lived = &lived
		for _, s := range st.Steps {
			d.Steps = append(d.Steps, step{s.At.Sub(st.Began), kinds[s.Kind], s.New.String(), s.Text})
		}
		d.StepsCut = st.Cut
	case watch.ThrownAway, watch.StrayPacket:
		d.Packet = &packet{Reason: e.Reason, Where: e.Where, Arrived: e.Packet.Arrived, Flags: e.Packet.FlagNames(), Length: e.Packet.Length}
		if e.Packet.ICMP {
			d.Packet.ICMP = []int{int(e.Packet.ICMPType), int(e.Packet.ICMPCode)}
		}
		if n == watch.StrayPacket {
			d.Drops, d.State = nil, ""
		}
	case watch.Refusal:
		d.State = ""
	}
	if st.Verdict.Cause != "" {
		d.Verdict = &st.Verdict
	}
	return json.Marshal(d)
}

// beginning is the first line.
type beginning struct {
	Event   string    `json:"event"` // watching
	At      time.Time `json:"at"`
	Source  string    `json:"source"`
	Missing []string  `json:"missing"` // what it does not see; empty, never null
	Why     string    `json:"why,omitempty"`
}

// Beginning is the first line of JSON: what is watched with.
func Beginning(at time.Time, source string, missing []string, why error) ([]byte, error) {
	b := beginning{"watching", at, source, missing, ""}
	if b.Missing == nil {
		b.Missing = []string{}
	}
	if why != nil {
		b.Why = why.Error()
	}
	return json.Marshal(b)
}

// sum is the last line.
type sum struct {
	Event     string              `json:"event"` // summary
	At        time.Time           `json:"at"`
	Took      time.Duration       `json:"took_ns"`
	Events    uint64              `json:"events"`
	Lost      uint64              `json:"events_lost"`
	Stories   uint64              `json:"connections"` // without those that stood before
	Begun     uint64              `json:"begun"`
	Accepted  uint64              `json:"accepted"`
	Opened    uint64              `json:"opened"`
	Failed    uint64              `json:"failed"`
	Ended     uint64              `json:"ended"`
	Resent    uint64              `json:"resent"`
	Drops     uint64              `json:"drops"`
	Refusals  uint64              `json:"refusals"`
	GivenUp   uint64              `json:"given_up"`
	Unjudged  uint64              `json:"unjudged"`
	Causes    map[cause.ID]uint64 `json:"causes"`
	Reasons   map[string]uint64   `json:"drop_reasons"`
	Handshake *times              `json:"handshake_ns,omitempty"`
	Exit      *int                `json:"exit_status,omitempty"` // of the command
}

type times struct {
	Count  uint64        `json:"count"`
	Least  time.Duration `json:"least"`
	Median time.Duration `json:"median"`
	P99    time.Duration `json:"p99"`
	Most   time.Duration `json:"most"`
}

// Sum is the last line of JSON.
func Sum(at time.Time, s *watch.Summary, lost uint64, took time.Duration, exit *int) ([]byte, error) {
	d := sum{"summary", at, took, s.Events, lost, s.Stories, s.Begun, s.Accepted, s.Opened, s.Failed, s.Ended, s.Resent, s.Drops, s.Refusals, s.GivenUp, s.Unjudged,
		s.Causes, s.Reasons, nil, exit}
	if d.Causes == nil {
		d.Causes = map[cause.ID]uint64{}
	}
	if d.Reasons == nil {
		d.Reasons = map[string]uint64{}
	}
	if h := &s.Handshake; h.N > 0 {
		d.Handshake = &times{h.N, h.Min, h.Quantile(0.5), h.Quantile(0.99), h.Max}
	}
	return json.Marshal(d)
}

// byCount sorts names, the most frequent first.
func byCount[K cmp.Ordered](counts map[K]uint64) []K {
	return slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
