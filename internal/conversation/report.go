// Package conversation reads capture files and tells the story of every TCP
// connection in them: who spoke to whom, how the handshake went, what both
// ends' states were, how it ended, and what that means in the catalogue's
// words.
package conversation

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// Report is one connection. Its fields are the JSON document of `dialscope
// read --json`, and keep their names. Times that end in _s are seconds since
// the connection's first packet, or between two packets.
type Report struct {
	Number    uint64    `json:"connection"` // in the order of first packets, from 1
	Start     time.Time `json:"start"`
	Initiator Endpoint  `json:"initiator"`
	Responder Endpoint  `json:"responder"`
	KnownBy   string    `json:"initiator_known_by"` // syn, syn-ack, first-packet
	Packets   Pair      `json:"packets"`
	Payload   Pair      `json:"payload_bytes_on_wire"` // repeated data included
	Duration  Seconds   `json:"duration_s"`

	Handshake     string   `json:"handshake"`
	SYNs          uint32   `json:"syn_count"`
	DistinctISN   uint32   `json:"syn_distinct_isn"`
	SYNResent     uint32   `json:"syn_retransmits"`
	SYNTimes      []Time   `json:"syn_times_s,omitempty"` // where there were several; 32 at most
	SYNACKs       uint32   `json:"synack_count"`
	SYNACKResent  uint32   `json:"synack_retransmits"`
	SYNACKBad     uint32   `json:"synack_bad_ack"`
	SYNToSYNACK   *Seconds `json:"syn_to_synack_s,omitempty"`
	LastToSYNACK  *Seconds `json:"last_syn_to_synack_s,omitempty"`
	SYNACKToACK   *Seconds `json:"synack_to_ack_s,omitempty"`
	RTT           *int64   `json:"rtt_ns,omitempty"`           // from the SYN to its SYN-ACK, as the capture saw them
	RTTAmbiguous  bool     `json:"rtt_ambiguous,omitempty"`    // the SYN was sent again: from the last one (RFC 6298 §3, Karn)
	FirstRST      *RSTToo  `json:"first_rst_to_syn,omitempty"` // before any SYN-ACK
	SYNOptions    *Options `json:"syn_options"`                // null: no SYN in the capture
	SYNACKOptions *Options `json:"synack_options"`
	Agreed        []string `json:"agreed,omitempty"`       // options that both ends proposed
	NotAnswered   []string `json:"not_answered,omitempty"` // that only the SYN had: the responder left them out, or something on the way stripped them

	Ending  Ending    `json:"ending"`
	TTL     PairOfTTL `json:"ttl_without_rst"` // four different ones at most
	Resent  Pair      `json:"data_retransmits"`
	States  States    `json:"states"`
	ICMPToo []ICMPToo `json:"icmp_errors,omitempty"`
	ICMP    []ICMP    `json:"icmp,omitempty"`
	Tunnel  []string  `json:"tunnel,omitempty"` // what the first packet was wrapped in, outermost first

	Event      string `json:"event,omitempty"`      // of a live capture only: opened, asking, ended, silent, left
	Again      bool   `json:"-"`                    // of an event before this one it was told
	Reused     bool   `json:"reused,omitempty"`     // the same addresses and ports belonged to an earlier connection of the capture
	GivenUp    bool   `json:"given_up,omitempty"`   // the reader had no room to follow it to its end
	Unjudged   string `json:"unjudged,omitempty"`   // why there is no cause
	FirstFrame uint64 `json:"first_frame,omitzero"` // number of its first packet in the file
	Verdict

	Ladder []Rung `json:"ladder,omitempty"`
}

// Verdict is [cause.Verdict], with a name of its own so that it can be left
// out where the packets say nothing.
type Verdict = cause.Verdict

// Endpoint is an address and a port. JSON has them as ["192.0.2.1", 443].
type Endpoint netip.AddrPort

// MarshalJSON implements [json.Marshaler].
func (e Endpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{netip.AddrPort(e).Addr(), netip.AddrPort(e).Port()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (e *Endpoint) UnmarshalJSON(b []byte) error {
	var addr netip.Addr
	var port uint16
	if err := json.Unmarshal(b, &[]any{&addr, &port}); err != nil {
		return err
	}
	*e = Endpoint(netip.AddrPortFrom(addr, port))
	return nil
}

func (e Endpoint) String() string { return netip.AddrPort(e).String() }

// Pair is a number of each end.
type Pair struct {
	Initiator uint64 `json:"initiator"`
	Responder uint64 `json:"responder"`
}

// PairOfTTL is the different TTLs of each end's packets.
type PairOfTTL struct {
	Initiator []int `json:"initiator"`
	Responder []int `json:"responder"`
}

// States is where both ends stood when the capture ended.
type States struct {
	Initiator string   `json:"initiator"`
	Responder string   `json:"responder"`
	Inferred  []string `json:"inferred,omitempty"` // whose state rests on a packet whose arrival nothing confirmed
}

// Options is what a SYN or SYN-ACK proposed; null where an option was absent.
type Options struct {
	MSS        *uint16 `json:"mss"`
	Scale      *uint8  `json:"wscale"`
	SACK       bool    `json:"sack"`
	Timestamps bool    `json:"timestamps"`
	FastOpen   bool    `json:"tfo"`
	FastOpenX  bool    `json:"tfo_experimental,omitempty"` // option 254 with the magic 0xf989
	Multipath  bool    `json:"mptcp"`
	Window     uint16  `json:"window"`
	ECN        bool    `json:"ecn"`
	Data       uint32  `json:"data"` // octets
}

// RSTToo is the RST that answered a SYN.
type RSTToo struct {
	Frame     uint64  `json:"frame"`
	After     Seconds `json:"after_last_syn_s"`
	AcksOfSYN bool    `json:"acknowledges_syn"`
}

// Ending is how the connection ended on the wire.
type Ending struct {
	FINBy     []string `json:"fin_by"` // initiator, responder: in order
	RSTBy     []string `json:"rst_by"` // of each RST, effective or not
	RSTs      int      `json:"rst_count"`
	FirstRST  *Seconds `json:"first_rst_s,omitempty"`
	Each      []RST    `json:"rsts,omitempty"` // 32 at most
	FINResent uint32   `json:"fin_retransmits"`
	How       string   `json:"how"`          // none, fin-one-side, fin-both, reset, fin-both-then-reset
	First     *string  `json:"first_to_end"` // "responder:rst"; null: nobody
}

// RST is one reset, and why it came.
type RST struct {
	Frame     uint64 `json:"frame"`
	By        string `json:"by"`
	WithACK   bool   `json:"with_ack"`
	Data      uint32 `json:"data"`
	TTL       uint8  `json:"ttl"`
	Distance  *int64 `json:"seq_minus_last_ack_of_other_side"`
	Reason    string `json:"reason"`
	Effective bool   `json:"effective"`
	Strange   bool   `json:"other_distance,omitempty"` // its TTL is of another distance than the sender's packets: perhaps not made by it

	Contradicted bool `json:"sender_went_on,omitempty"` // its sender sent new data afterwards: perhaps not made by it

	Origin string   `json:"origin"`          // whether its sender made it: no-sign-of-another, perhaps-another, probably-another; unknown: nothing to compare with
	Signs  []string `json:"signs,omitempty"` // what speaks for another
}

// ICMPToo is an ICMP error about the connection.
type ICMPToo struct {
	Family uint8      `json:"family"`
	Type   uint8      `json:"type"`
	Code   uint8      `json:"code"`
	Sender netip.Addr `json:"sender"`
	After  Time       `json:"after_s"`
}

// ICMP is the same with what it means.
type ICMP struct {
	ICMPToo
	Frame uint64 `json:"frame"`
	Text  string `json:"text"`
	Errno string `json:"errno,omitempty"` // what Linux makes of it
	MTU   uint32 `json:"mtu,omitempty"`
}

// Seconds is a duration; JSON has it in seconds, to the nanosecond.
type Seconds time.Duration

// MarshalJSON implements [json.Marshaler].
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var f float64
	err := json.Unmarshal(b, &f)
	*s = Seconds(f*1e9 + 0.5)
	return err
}

// Time is a moment, counted from the connection's first packet.
type Time = Seconds
