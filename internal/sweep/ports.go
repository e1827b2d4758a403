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

// TopPorts are the n TCP ports that services are most often met on, most
// frequent first: the registered ports of the protocols in wide use.
func TopPorts(n int) []uint16 {
	return slices.Clone(topPorts[:min(n, len(topPorts))])
}

// MostTopPorts is how many there are.
var MostTopPorts = len(topPorts)

var topPorts = []uint16{
	80, 443, 22, 21, 25, 23, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 993, 5900,
	1025, 587, 8888, 199, 1720, 465, 548, 113, 81, 6001, 10000, 514, 5060, 179, 1026, 2000, 8443, 8000, 32768, 554,
	26, 1433, 49152, 2001, 515, 8008, 49154, 1027, 5666, 646, 5000, 5631, 631, 49153, 8081, 2049, 88, 79, 5800, 106,
	2121, 1110, 49155, 6000, 513, 990, 5357, 427, 49156, 543, 544, 5101, 144, 7, 389, 8009, 3128, 444, 9999, 5009,
	7070, 5190, 3000, 5432, 1900, 3986, 13, 1029, 9, 5051, 6646, 49157, 1028, 873, 1755, 2717, 4899, 9100, 119, 37,
	6379, 27017, 9200, 11211, 5672, 15672, 6443, 2379, 2380, 2375, 2376, 9090, 9093, 9092, 2181, 8500, 8300, 4222, 1883, 8883,
	5601, 9042, 7000, 7001, 1521, 50000, 5984, 8086, 3478, 5222, 5269, 6667, 6697, 853, 636, 989, 992, 994, 1194, 1080,
}
