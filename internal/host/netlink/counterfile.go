package netlink

import (
	"bytes"
	"strings"
)

// counterIndex finds a counter by its name as two parts, so that the parsers
// make no strings.
var counterIndex = func() map[string]map[string]int {
	groups := make(map[string]map[string]int)
	for i, name := range counterNames {
		group, counter, _ := strings.Cut(name, ".")
		if groups[group] == nil {
			groups[group] = make(map[string]int)
		}
		groups[group][counter] = i
	}
	return groups
}()

// readTable reads the form of /proc/net/snmp and netstat: a line of names and
// a line of values, both led by the group ("Tcp:"). Whatever does not have
// that form is left out.
func readTable(b []byte, into *[len(counterNames)]reading) {
	for len(b) > 0 {
		var head, values []byte
		head, b = line(b)
		values, b = line(b)
		group, head, ok := bytes.Cut(head, []byte(": "))
		if !ok {
			continue
		}
		again, values, ok := bytes.Cut(values, []byte(": "))
		if !ok || !bytes.Equal(group, again) {
			continue
		}
		index := counterIndex[string(group)]
		if index == nil {
			continue
		}
		for len(head) > 0 && len(values) > 0 {
			var name, value []byte
			name, head = field(head)
			value, values = field(values)
			if i, wanted := index[string(name)]; wanted {
				into[i].value, into[i].known = number(value, 10)
			}
		}
	}
}

// readList reads the form of /proc/net/snmp6: "Ip6InReceives  12" on each line.
func readList(b []byte, into *[len(counterNames)]reading) {
	for len(b) > 0 {
		var row []byte
		row, b = line(b)
		name, row := field(row)
		group, counter, ok := bytes.Cut(name, []byte("6"))
		if !ok {
			continue
		}
		index := counterIndex[string(group)+"6"]
		if i, wanted := index[string(counter)]; wanted {
			value, _ := field(row)
			into[i].value, into[i].known = number(value, 10)
		}
	}
}

// readPerCPU reads the form of /proc/net/stat/nf_conntrack: a line of names,
// then a line of hexadecimal values for each processor, which are summed.
func readPerCPU(b []byte, into *[len(trackCounterNames)]reading) {
	head, b := line(b)
	var columns [64]int // 1 + index into trackCounterNames
	for i := 0; i < len(columns) && len(head) > 0; i++ {
		var name []byte
		name, head = field(head)
		for j, wanted := range trackCounterNames {
			if string(name) == wanted {
				columns[i] = j + 1
			}
		}
	}
	for len(b) > 0 {
		var row []byte
		row, b = line(b)
		for i := 0; i < len(columns) && len(row) > 0; i++ {
			var value []byte
			value, row = field(row)
			if columns[i] == 0 {
				continue
			}
			if v, ok := number(value, 16); ok {
				r := &into[columns[i]-1]
				r.value, r.known = r.value+v, true
			}
		}
	}
}

// line cuts off the first line.
func line(b []byte) (first, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// field cuts off the first word.
func field(b []byte) (first, rest []byte) {
	start := 0
	for start < len(b) && blank(b[start]) {
		start++
	}
	end := start
	for end < len(b) && !blank(b[end]) {
		end++
	}
	return b[start:end], b[end:]
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// number reads an unsigned number; a negative or otherwise unreadable one
// (Tcp.MaxConn is -1) is not known.
func number(b []byte, base uint64) (v uint64, known bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		var digit uint64
		switch {
		case '0' <= c && c <= '9':
			digit = uint64(c - '0')
		case base == 16 && 'a' <= c && c <= 'f':
			digit = uint64(c-'a') + 10
		default:
			return 0, false
		}
		v = v*base + digit
	}
	return v, true
}
