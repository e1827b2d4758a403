package lab

import (
	"fmt"
	"strconv"
	"strings"
)

// check says what is wrong with the fault.
func (f *RuleFault) check() error {
	switch f.Kind {
	case "unreachable", "prohibit", "blackhole":
	default:
		return at("kind", "%q: write unreachable, prohibit or blackhole", f.Kind)
	}
	if _, _, err := span(f.Sport, 16); err != nil {
		return at("sport", "%v", err)
	}
	if _, _, err := span(f.UID, 32); err != nil {
		return at("uid", "%v", err)
	}
	return nil
}

// span reads "A-B"; an empty text is 0 to 0.
func span(text string, bits int) (low, high uint64, err error) {
	if text == "" {
		return 0, 0, nil
	}
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
