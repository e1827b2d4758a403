package watchview

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/watch"
)

// news names them in JSON. The names are never changed.
var news = [...]string{
	watch.Begun: "begun", watch.StateIsNew: "state", watch.IsOpen: "opened", watch.SentAgain: "resent", watch.ThrownAway: "dropped",
	watch.HasFailed: "failed", watch.HasEnded: "ended", watch.Refusal: "refused", watch.StrayPacket: "stray-dropped",
}

// kinds name the steps.
var kinds = [...]string{
	watch.Changed: "state", watch.Resent: "resent", watch.Dropped: "dropped", watch.ResetSent: "rst-sent", watch.ResetReceived: "rst-received",
	watch.Failed: "error", watch.ConnectFailed: "connect-failed", watch.SocketFailed: "socket-failed", watch.Gone: "gone", watch.Stands: "stands",
}

// AppendDocument appends one news as a line of JSON, without its end. The fields
// keep their names, and their order: it is written by hand, since a host may have
// a hundred thousand news a second.
func AppendDocument(b []byte, at time.Time, st *watch.Story, n watch.News, e *watch.Event) []byte {
	b = appendTime(append(appendText(append(b, `{"event":`...), news[n]), `,"at":`...), at)
	if st.Number != 0 { // 0: a packet that belongs to none
		b = strconv.AppendUint(append(b, `,"connection":`...), st.Number, 10)
	}
	if st.Cookie != 0 { // SO_COOKIE, hexadecimal
		b = append(strconv.AppendUint(append(b, `,"cookie":"`...), st.Cookie, 16), '"')
	}
	if st.Network != 0 { // inode of the network namespace
		b = strconv.AppendUint(append(b, `,"netns":`...), uint64(st.Network), 10)
	}
	if st.UDP {
		b = append(b, `,"network":"udp"`...)
	} else {
		b = append(b, `,"network":"tcp"`...)
	}
	if st.In {
		b = append(b, `,"direction":"in"`...)
	} else {
		b = append(b, `,"direction":"out"`...)
	}
	if st.Process.PID != 0 {
		b = appendProcess(append(b, `,"process":`...), &st.Process)
	}
	b = appendAddrPort(b, `,"local":`, st.Local)
	b = appendAddrPort(b, `,"remote":`, st.Remote)
	if !st.UDP && st.Call == "" && n != watch.StrayPacket && n != watch.Refusal {
		b = append(append(append(b, `,"state":"`...), st.State.String()...), '"')
	}
	b = appendTime(append(b, `,"began":`...), st.Began)
	b = strconv.AppendBool(append(b, `,"began_seen":`...), st.Seen) // false: it was there before
	if d, known := st.Handshake(); known {                          // from the first SYN to its completion
		b = strconv.AppendInt(append(b, `,"handshake_ns":`...), int64(d), 10)
	}
	over := n == watch.HasFailed || n == watch.HasEnded
	if over { // since it began, or since it was first seen
		b = strconv.AppendInt(append(b, `,"lived_ns":`...), int64(st.Ended.Sub(st.Began)), 10)
	}
	if st.Flow.RTT != 0 { // smoothed, as the kernel last had it
		b = strconv.AppendInt(append(b, `,"rtt_ns":`...), int64(st.Flow.RTT), 10)
	}
	b = strconv.AppendUint(append(b, `,"resent":`...), uint64(st.Resent), 10)     // segments, while it was watched
	b = strconv.AppendUint(append(b, `,"bytes_acknowledged":`...), st.Sent(), 10) // octets of data that the peer has
	b = strconv.AppendUint(append(b, `,"bytes_received":`...), st.Got(), 10)      // octets
	b = appendSome(b, `,"first_to_close":`, st.First)                             // here, peer
	switch {
	case st.RSTIn:
		b = append(b, `,"rst":"received"`...)
	case st.RSTOut:
		b = append(b, `,"rst":"sent"`...)
	}
	b = appendSome(b, `,"rst_reason":`, st.RSTReason) // the kernel's, of one that was sent
	call := st.Call                                   // that failed before any packet
	if st.Sync {
		call = "connect"
	}
	b = appendSome(b, `,"call":`, call)
	b = appendSome(b, `,"application_errno":`, string(st.Errno)) // what its process was told
	if n == watch.ThrownAway || n == watch.StrayPacket {
		b = appendPacket(append(b, `,"packet":`...), e)
	}
	if len(st.Drops) > 0 && n != watch.StrayPacket {
		b = append(b, `,"drops":`...)
		for i := range st.Drops {
			b = appendDrop(append(b, opening(i)), &st.Drops[i])
		}
		b = append(b, ']')
	}
	if over && len(st.Steps) > 0 {
		b = append(b, `,"steps":`...)
		for i := range st.Steps {
			b = appendStep(append(b, opening(i)), st.Began, &st.Steps[i])
		}
		b = append(b, ']')
	}
	if over && st.Cut > 0 {
		b = strconv.AppendInt(append(b, `,"steps_cut":`...), int64(st.Cut), 10)
	}
	if st.Verdict.Cause != "" {
		b = appendVerdict(b, &st.Verdict)
	}
	b = appendSome(b, `,"unjudged":`, st.Unjudged) // why there is no cause
	return append(b, '}')
}

// opening is what stands before the element of an array.
func opening(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

func appendProcess(b []byte, p *watch.Process) []byte {
	b = strconv.AppendInt(append(b, `{"pid":`...), int64(p.PID), 10)
	b = appendSome(b, `,"name":`, p.Name)
	b = strconv.AppendUint(append(b, `,"uid":`...), uint64(p.UID), 10)
	return append(appendSome(b, `,"container":`, p.Container), '}')
}

func appendPacket(b []byte, e *watch.Event) []byte {
	p := &e.Packet
	b = appendText(append(b, `{"reason":`...), e.Reason)
	b = appendSome(b, `,"where":`, e.Where)
	b = strconv.AppendBool(append(b, `,"arrived":`...), p.Arrived)
	b = appendSome(b, `,"flags":`, p.FlagNames())
	b = strconv.AppendUint(append(b, `,"length":`...), uint64(p.Length), 10)
	if p.ICMP { // type and code
		b = fmt.Appendf(b, `,"icmp":[%d,%d]`, p.ICMPType, p.ICMPCode)
	}
	return append(b, '}')
}

func appendDrop(b []byte, d *watch.Drop) []byte {
	b = appendText(append(b, `{"reason":`...), d.Reason)
	b = appendSome(b, `,"where":`, d.Where)
	b = strconv.AppendBool(append(b, `,"arrived":`...), d.Arrived)
	b = appendSome(b, `,"flags":`, d.Flags)
	return append(strconv.AppendUint(append(b, `,"count":`...), d.Count, 10), '}')
}

func appendStep(b []byte, began time.Time, s *watch.Step) []byte {
	b = strconv.AppendInt(append(b, `{"after_ns":`...), int64(s.At.Sub(began)), 10)
	b = append(append(append(b, `,"what":"`...), kinds[s.Kind]...), `","state":"`...)
	b = append(append(b, s.New.String()...), '"')
	return append(appendSome(b, `,"text":`, s.Text), '}')
}

// appendVerdict appends the fields of cause.Verdict.
func appendVerdict(b []byte, v *cause.Verdict) []byte {
	b = appendText(append(b, `,"outcome":`...), string(v.Outcome))
	b = appendSome(b, `,"errno":`, string(v.Errno))
	b = appendFinding(append(b, ','), &v.Finding)
	b = append(b, `,"alternatives":`...)
	for i := range v.Alternatives {
		b = append(appendFinding(append(b, opening(i), '{'), &v.Alternatives[i]), '}')
	}
	if len(v.Alternatives) == 0 {
		b = append(b, '[')
	}
	b = appendText(append(b, `],"explanation":`...), v.Explanation)
	b = appendText(append(b, `,"remedy":`...), v.Remedy)
	return appendSome(b, `,"rule":`, v.Rule)
}

func appendFinding(b []byte, f *cause.Finding) []byte {
	b = appendText(append(b, `"cause":`...), string(f.Cause))
	b = appendText(append(b, `,"culprit":{"kind":`...), string(f.Culprit.Kind))
	if f.Culprit.Address.IsValid() {
		b = append(f.Culprit.Address.AppendTo(append(b, `,"address":"`...)), '"')
	}
	if f.Culprit.Hop != 0 {
		b = strconv.AppendInt(append(b, `,"hop":`...), int64(f.Culprit.Hop), 10)
	}
	return appendText(append(b, `},"confidence":`...), string(f.Confidence))
}

// appendSome appends a field that is left out where it is empty.
func appendSome(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, key...), text)
}

func appendAddrPort(b []byte, key string, a netip.AddrPort) []byte {
	if a == (netip.AddrPort{}) {
		return b
	}
	return append(a.AppendTo(append(append(b, key...), '"')), '"')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendText appends a string as encoding/json writes it.
func appendText[T ~string](b []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			quoted, _ := json.Marshal(string(text)) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
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
