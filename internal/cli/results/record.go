// Package results writes what a sweep found, keeps it in a journal that
// survives being killed, reads it back, sums it up and compares it.
package results

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// Record is one target's result, with its first words where they were asked for.
type Record struct {
	dialscope.SweepResult
	Banner string // what the port said first; not to be printed as it is
	TLS    string // the version that it speaks, "TLS 1.3"; empty: not asked, or none
}

// Append writes the record as one line of NDJSON without the newline. The
// fields and their order are a contract.
func (r *Record) Append(b []byte) []byte {
	b = append(b, `{"address":"`...)
	if r.Addr.Addr().IsValid() {
		b = r.Addr.Addr().AppendTo(b)
	}
	b = append(b, `","port":`...)
	b = strconv.AppendUint(b, uint64(r.Addr.Port()), 10)
	b = text(b, "outcome", string(r.Outcome))
	b = text(b, "errno", string(r.Errno))
	b = text(b, "cause", string(r.Cause))
	b = number(b, "latency_ns", int64(r.Latency))
	b = number(b, "syns", int64(r.SYNs))
	b = number(b, "attempts", int64(r.Attempts))
	if r.Name != "" {
		b = quoted(b, "name", r.Name)
	}
	if r.Culprit.Kind != "" {
		b = text(b, "culprit", string(r.Culprit.Kind))
		if r.Culprit.Address.IsValid() {
			b = text(b, "culprit_address", r.Culprit.Address.String())
		}
	}
	if r.ICMP.Version != 0 {
		b = number(b, "icmp_version", int64(r.ICMP.Version))
		b = number(b, "icmp_type", int64(r.ICMP.Type))
		b = number(b, "icmp_code", int64(r.ICMP.Code))
		b = text(b, "icmp_offender", r.ICMP.Offender.String())
	}
	if r.Banner != "" {
		b = quoted(b, "banner", r.Banner)
	}
	if r.TLS != "" {
		b = text(b, "tls", r.TLS)
	}
	b = append(b, `,"place":`...)
	b = strconv.AppendUint(b, r.Place, 10)
	b = number(b, "at_ns", int64(r.At))
	return append(b, '}')
}

// text appends a string that needs no escapes.
func text(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(append(b, value...), '"')
}

func quoted(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	q, _ := json.Marshal(value) // a string always marshals
	return append(b, q...)
}

func number(b []byte, name string, value int64) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, value, 10)
}

// Parse reads a line that Append wrote.
func Parse(line []byte) (r Record, err error) {
	var doc struct {
		Address  netip.Addr     `json:"address"`
		Port     uint16         `json:"port"`
		Outcome  cause.Outcome  `json:"outcome"`
		Errno    evidence.Errno `json:"errno"`
		Cause    cause.ID       `json:"cause"`
		Latency  time.Duration  `json:"latency_ns"`
		SYNs     int            `json:"syns"`
		Attempts int            `json:"attempts"`
		Name     string         `json:"name"`
		Culprit  cause.Kind     `json:"culprit"`
		Who      netip.Addr     `json:"culprit_address"`
		Version  uint8          `json:"icmp_version"`
		Type     uint8          `json:"icmp_type"`
		Code     uint8          `json:"icmp_code"`
		Offender netip.Addr     `json:"icmp_offender"`
		Banner   string         `json:"banner"`
		TLS      string         `json:"tls"`
		Place    uint64         `json:"place"`
		At       time.Duration  `json:"at_ns"`
	}
	if err := json.Unmarshal(line, &doc); err != nil {
		return r, err
	}
	r.Addr = netip.AddrPortFrom(doc.Address, doc.Port)
	r.Outcome, r.Errno, r.Cause, r.Latency, r.SYNs, r.Attempts = doc.Outcome, doc.Errno, doc.Cause, doc.Latency, doc.SYNs, doc.Attempts
	r.Name, r.Culprit = doc.Name, cause.Culprit{Kind: doc.Culprit, Address: doc.Who}
	r.ICMP.Version, r.ICMP.Type, r.ICMP.Code, r.ICMP.Offender = doc.Version, doc.Type, doc.Code, doc.Offender
	r.Banner, r.TLS, r.Place, r.At = doc.Banner, doc.TLS, doc.Place, doc.At
	return r, nil
}
