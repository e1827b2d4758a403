package conversation

import (
	"time"

	"github.com/dialscope/dialscope/internal/frame"
)

// SummaryDocument is a [Summary] as JSON.
type SummaryDocument struct {
	Event        string            `json:"event"` // "summary"
	Frames       uint64            `json:"frames"`
	Segments     uint64            `json:"tcp_segments"`
	Rests        uint64            `json:"segment_rests"` // IP fragments that go on with a segment
	ICMP         uint64            `json:"icmp_errors"`
	First        *time.Time        `json:"first,omitempty"`
	Last         *time.Time        `json:"last,omitempty"`
	Connections  uint64            `json:"connections"`
	Wanted       uint64            `json:"wanted"`
	Failed       uint64            `json:"failed"`
	Causes       map[string]uint64 `json:"causes"`
	Unjudged     uint64            `json:"unjudged"`
	Handshakes   map[string]uint64 `json:"handshakes"`
	Endings      map[string]uint64 `json:"endings"`
	RTT          *RTTDocument      `json:"handshake_rtt,omitempty"`
	NotRead      []frame.Skipped   `json:"frames_without_tcp"`
	Fragments    frame.Fragments   `json:"ip_fragments"`
	GivenUp      uint64            `json:"given_up"`
	Limit        int               `json:"max_connections"`
	Lost         uint64            `json:"lost_by_capture"`
	Copies       uint64            `json:"copies"`
	UnjoinedICMP uint64            `json:"icmp_errors_without_connection"`
}

// RTTDocument is the times from SYN to SYN-ACK, where the SYN was sent once.
type RTTDocument struct {
	N      uint64     `json:"n"`
	Min    int64      `json:"min_ns"`
	Median int64      `json:"median_ns"`
	P99    int64      `json:"p99_ns"`
	Max    int64      `json:"max_ns"`
	Bars   []RTTCount `json:"histogram"`
}

// RTTCount is one step of the histogram.
type RTTCount struct {
	Below int64  `json:"below_ns"`
	N     uint64 `json:"n"`
}

// Document is the summary as JSON has it.
func (s *Summary) Document() *SummaryDocument {
	d := &SummaryDocument{
		Event: "summary", Frames: s.Frames, Segments: s.Segments, Rests: s.Rests, ICMP: s.ICMP,
		Connections: s.Connections, Wanted: s.Wanted, Failed: s.Failed, Unjudged: s.Unjudged,
		Causes: map[string]uint64{}, Handshakes: s.Handshakes, Endings: s.Endings,
		NotRead: append([]frame.Skipped{}, s.Skipped...), Fragments: s.Fragments,
		GivenUp: s.GivenUp, Limit: s.Limit, Lost: s.Dropped, Copies: s.Copies, UnjoinedICMP: s.StrayICMP,
	}
	for id, n := range s.Causes {
		d.Causes[string(id)] = n
	}
	if s.Frames > 0 {
		first, last := time.Unix(0, int64(s.First)).UTC(), time.Unix(0, int64(s.Last)).UTC()
		d.First, d.Last = &first, &last
	}
	if h := &s.RTT; h.N > 0 {
		d.RTT = &RTTDocument{N: h.N, Min: int64(h.Min), Median: int64(h.Quantile(0.5)), P99: int64(h.Quantile(0.99)), Max: int64(h.Max)}
		for _, bar := range h.Bars() {
			d.RTT.Bars = append(d.RTT.Bars, RTTCount{int64(bar.To), bar.N})
		}
	}
	return d
}
