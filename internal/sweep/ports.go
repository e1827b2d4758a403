package sweep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Service gives a service's port; ok is false where there is none of that name.
type Service func(name string) (port uint16, ok bool)

// ParsePorts reads a list of ports, ranges and service names:
// "22,80,8000-8100,https". "-" stands for 1-65535. The list is sorted and has
// each port once.
func ParsePorts(text string, service Service) ([]uint16, error) {
	bad := func(word, reason, remedy string) ([]uint16, error) {
		return nil, &ParseError{word, reason, remedy}
	}
	var ports []uint16
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			return bad(text, "an empty port", "write a list such as 22,80,8000-8100,https")
		}
		if word == "-" {
			word = "1-65535"
		}
		if service != nil && strings.Trim(word, "0123456789-") != "" {
			port, known := service(word)
			if !known {
				return bad(word, "no service has this name", "write the port as a number")
			}
			ports = append(ports, port)
			continue
		}
		first, last, two := strings.Cut(word, "-")
		if !two {
			last = first
		}
		low, lowErr := port(first, "1")
		high, highErr := port(last, "65535")
		switch {
		case lowErr != nil || highErr != nil:
			return bad(word, "no port", "ports go from 0 to 65535; write 80, 8000-8100 or a service's name")
		case low > high:
			return bad(word, "the range is reversed", fmt.Sprintf("write %d-%d", high, low))
		}
		for p := low; ; p++ {
			ports = append(ports, p)
			if p == high {
				break
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// port reads one end of a range; an open end has its default.
func port(text, otherwise string) (uint16, error) {
	if text == "" {
		text = otherwise
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}
