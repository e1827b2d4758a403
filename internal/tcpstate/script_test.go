package tcpstate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// script turns lines like "0.01 < S. 0 ack 1" into segments between one client
// (>) and one server (<): time, direction, flags, relative sequence number with
// :END for data, then words.
func script(t testing.TB, lines string) []Segment {
	t.Helper()
	return scriptFrom(t, lines, 1000, 5000)
}

func scriptFrom(t testing.TB, lines string, clientISN, serverISN uint32) []Segment {
	t.Helper()
	var all []Segment
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		at, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			t.Fatal(line, err)
		}
		s := Segment{Time: time.Duration(at * 1e9), Frame: uint64(len(all) + 1), Src: client.Addr, Dst: server.Addr,
			SrcPort: client.Port, DstPort: server.Port, Window: 1000, TTL: 64}
		isn, peer := clientISN, serverISN
		if f[1] == "<" {
			s.Src, s.Dst, s.SrcPort, s.DstPort, s.TTL = s.Dst, s.Src, s.DstPort, s.SrcPort, 57
			isn, peer = peer, isn
		}
		for _, letter := range f[2] {
			if i := strings.IndexRune("FSRP.UEW", letter); i >= 0 {
				s.Flags |= 1 << i
			}
		}
		first, last, data := strings.Cut(f[3], ":")
		from := number(t, first)
		s.Seq = isn + uint32(from)
		if data {
			s.Len = uint32(number(t, last) - from)
		}
		for w := f[4:]; len(w) >= 2; w = w[2:] {
			n := number(t, w[1])
			switch w[0] {
			case "ack":
				s.Ack = peer + uint32(n)
			case "win":
				s.Window = uint16(n)
			case "ttl":
				s.TTL = uint8(n)
			case "id":
				s.ID = uint16(n)
			case "sport":
				s.SrcPort = uint16(n)
			case "wscale":
				s.Options = append(s.Options, 3, 3, byte(n), 1)
			default:
				t.Fatal("no such word:", line)
			}
		}
		all = append(all, s)
	}
	return all
}

func number(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	client = Endpoint{Addr4([]byte{10, 0, 0, 1}), 40000}
	server = Endpoint{Addr4([]byte{10, 0, 0, 2}), 80}
)

// told is a connection as the tests compare it.
func told(c *Conn) string {
	var rsts []string
	if c.Detail != nil {
		for _, r := range c.Detail.RSTs {
			rsts = append(rsts, r.Reason.String())
		}
	}
	text := fmt.Sprintf("%v, %v, %v/%v", c.Handshake(), c.Ending(), c.Ends[0].State, c.Ends[1].State)
	if len(rsts) > 0 {
		text += ", RST " + strings.Join(rsts, " ")
	}
	return text
}

// track follows segments and gives every connection's story, those that are
// over and then those that are left.
func track(segments []Segment) (stories []string, senses []Sense) {
	tr := NewTracker(7, func(c *Conn) { stories = append(stories, told(c)) })
	for i := range segments {
		senses = append(senses, tr.Segment(&segments[i]).Sense)
	}
	tr.Flush()
	return stories, senses
}
