package lab

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/internal/host/netns"
)

var rejectKinds = map[string]netns.RouteKind{
	"unreachable": netns.Unreachable, "prohibit": netns.Prohibit, "blackhole": netns.Blackhole, "throw": netns.Throw,
}

// rule is the fault as netns has it.
func (f *RuleFault) rule() (r netns.PolicyRule, err error) {
	kind, known := rejectKinds[f.Kind]
	if !known || f.Kind == "throw" {
		return r, at("kind", "%q: write unreachable, prohibit or blackhole", f.Kind)
	}
	r = netns.PolicyRule{Mark: f.Mark, Not: f.Not, Kind: kind}
	if f.Port != 0 {
		r.Protocol, r.Dport = netns.TCP, [2]uint16{f.Port, f.Port}
	}
	if f.Sport != "" {
		low, high, err := span(f.Sport, 16)
		if err != nil {
			return r, at("sport", "%v", err)
		}
		r.Protocol, r.Sport = netns.TCP, [2]uint16{uint16(low), uint16(high)}
	}
	if f.UID != "" {
		low, high, err := span(f.UID, 32)
		if err != nil {
			return r, at("uid", "%v", err)
		}
		r.UID = &[2]uint32{uint32(low), uint32(high)}
	}
	return r, nil
}

// span reads "A-B".
func span(text string, bits int) (low, high uint64, err error) {
	a, b, _ := strings.Cut(text, "-")
	if low, err = strconv.ParseUint(a, 10, bits); err == nil {
		high, err = strconv.ParseUint(b, 10, bits)
	}
	if err != nil || low > high {
		return 0, 0, fmt.Errorf("%q: write FIRST-LAST, numbers of %d bits", text, bits)
	}
	return low, high, nil
}

// command is the fault as a person types it.
func (f *RuleFault) command(family int) string {
	words := []string{fmt.Sprintf("ip -%d rule add", family)}
	if f.Not {
		words = append(words, "not")
	}
	if f.Mark != 0 {
		words = append(words, fmt.Sprintf("fwmark %d", f.Mark))
	}
	if f.UID != "" {
		words = append(words, "uidrange "+f.UID)
	}
	if f.Port != 0 || f.Sport != "" {
		words = append(words, "ipproto tcp")
	}
	if f.Sport != "" {
		words = append(words, "sport "+f.Sport)
	}
	if f.Port != 0 {
		words = append(words, fmt.Sprintf("dport %d", f.Port))
	}
	return strings.Join(append(words, f.Kind), " ")
}
