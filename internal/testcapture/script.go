// Package testcapture makes captures for tests from scripts that read like
// tcpdump's output:
//
//	0      > S 0 mss 1460 wscale 7 sack
//	0.010  < S. 0 ack 1 mss 1400
//	0.011  > . 1 ack 1
//	0.012  < R. 1 ack 1 ttl 20
//	0.013  ! icmp 3 1 from 192.0.2.1 seq 0
//
// Each line has the time since the script's beginning in seconds, who sent (>
// the client, < the server, ! an ICMP error about a client's segment), flags,
// a sequence number relative to the sender's first, with :END where there is
// data, and words.
package testcapture

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/host/pcapfile"
	"github.com/dialscope/dialscope/internal/wire"
)

// Script is one connection.
type Script struct {
	Client, Server netip.AddrPort // 10.0.0.1:40000 and 10.0.0.2:80 by default
	ClientISN      uint32
	ServerISN      uint32
	At             time.Duration // when it begins
	Lines          string
}

// Epoch is when captures begin: 2026-01-02 03:04:05 UTC.
const Epoch = 1767323045 * time.Second

// Packet is one packet of a script, without a link layer.
type Packet struct {
	At   time.Duration // since 1970
	Data []byte
}

// Pcap is a capture of raw IP with the packets of all scripts in the order of
// their times. A script that is wrong panics.
func Pcap(scripts ...Script) []byte {
	const rawIP = 101
	return Framed(rawIP, nil, scripts...)
}

// Framed is Pcap of another link layer, whose header precedes every packet.
func Framed(link uint16, header []byte, scripts ...Script) []byte {
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, link)
	if err != nil {
		panic(err)
	}
	for _, p := range Packets(scripts...) {
		if err := w.Frame(p.At, append(bytes.Clone(header), p.Data...)); err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

// Packets are the packets of all scripts in the order of their times.
func Packets(scripts ...Script) []Packet {
	var all []Packet
	for i := range scripts {
		s := scripts[i]
		if !s.Client.IsValid() {
			s.Client = netip.MustParseAddrPort("10.0.0.1:40000")
		}
		if !s.Server.IsValid() {
			s.Server = netip.MustParseAddrPort("10.0.0.2:80")
		}
		if s.ClientISN == 0 && s.ServerISN == 0 {
			s.ClientISN, s.ServerISN = 1000, 5000
		}
		for line := range strings.Lines(s.Lines) {
			if line = strings.TrimSpace(line); line != "" {
				p := s.packet(line)
				at := len(all)
				for at > 0 && all[at-1].At > p.At && i > 0 {
					at--
				}
				all = append(all[:at], append([]Packet{p}, all[at:]...)...)
			}
		}
	}
	return all
}

// words reads a line word by word.
type words struct {
	rest []string
	line string
}

func (w *words) next() string {
	if len(w.rest) == 0 {
		panic("testcapture: the line ends too early: " + w.line)
	}
	word := w.rest[0]
	w.rest = w.rest[1:]
	return word
}

func (w *words) number() int {
	n, err := strconv.Atoi(w.next())
	if err != nil {
		panic(fmt.Sprintf("testcapture: %s: %v", w.line, err))
	}
	return n
}

func (s *Script) packet(line string) Packet {
	w := &words{strings.Fields(line), line}
	seconds, err := strconv.ParseFloat(w.next(), 64)
	if err != nil {
		panic(fmt.Sprintf("testcapture: %s: %v", line, err))
	}
	at := Epoch + s.At + time.Duration(seconds*1e6+0.5)*time.Microsecond
	direction := w.next()
	var p *wire.Packet
	switch direction {
	case ">":
		p = s.segment(w, true)
	case "<":
		p = s.segment(w, false)
	case "!":
		p = s.icmp(w)
	default:
		panic("testcapture: neither > nor < nor !: " + line)
	}
	data, err := p.Marshal()
	if err != nil {
		panic(fmt.Sprintf("testcapture: %s: %v", line, err))
	}
	return Packet{at, data}
}

const flagLetters = "FSRP.UEWe"

func (s *Script) segment(w *words, fromClient bool) *wire.Packet {
	src, dst, isn, peer, ttl := s.Client, s.Server, s.ClientISN, s.ServerISN, 64
	if !fromClient {
		src, dst, isn, peer, ttl = dst, src, peer, isn, 57
	}
	seg := &wire.Segment{SrcPort: src.Port(), DstPort: dst.Port(), Window: 64000}
	for _, letter := range w.next() {
		i := strings.IndexRune(flagLetters, letter)
		if i < 0 && letter != '-' {
			panic("testcapture: no such flag: " + w.line)
		}
		if i >= 0 {
			seg.Flags |= 1 << i
		}
	}
	first, last, hasData := strings.Cut(w.next(), ":")
	from, err := strconv.Atoi(first)
	if err != nil {
		panic(fmt.Sprintf("testcapture: %s: %v", w.line, err))
	}
	seg.Seq = isn + uint32(from)
	if hasData {
		to, err := strconv.Atoi(last)
		if err != nil {
			panic(fmt.Sprintf("testcapture: %s: %v", w.line, err))
		}
		seg.Payload = bytes.Repeat([]byte{'x'}, to-from)
	}
	for len(w.rest) > 0 {
		switch word := w.next(); word {
		case "ack":
			seg.Ack = peer + uint32(w.number())
		case "win":
			seg.Window = uint16(w.number())
		case "ttl":
			ttl = w.number()
		case "mss":
			seg.Options = append(seg.Options, wire.MSS(uint16(w.number())))
		case "wscale":
			seg.Options = append(seg.Options, wire.NOP(), wire.WScale(uint8(w.number())))
		case "sack":
			seg.Options = append(seg.Options, wire.SACK())
		case "ts":
			seg.Options = append(seg.Options, wire.Timestamps(1, 2))
		case "tfo":
			seg.Options = append(seg.Options, wire.Option{Kind: wire.FastOpen})
		default:
			panic("testcapture: no such word: " + word)
		}
	}
	return &wire.Packet{IP: wire.IP{Src: src.Addr(), Dst: dst.Addr(), TTL: uint8(ttl)}, Transport: seg}
}

// icmp is "icmp TYPE CODE from ADDR seq N [mtu N]", about a segment of the client.
func (s *Script) icmp(w *words) *wire.Packet {
	w.next()
	m := &wire.Message{Type: uint8(w.number()), Code: uint8(w.number())}
	w.next()
	from := netip.MustParseAddr(w.next())
	w.next()
	about := &wire.Packet{IP: wire.IP{Src: s.Client.Addr(), Dst: s.Server.Addr(), TTL: 1},
		Transport: &wire.Segment{SrcPort: s.Client.Port(), DstPort: s.Server.Port(), Seq: s.ClientISN + uint32(w.number()), Flags: wire.SYN}}
	quoted, err := about.Marshal()
	if err != nil {
		panic(err)
	}
	m.Body = quoted
	if len(w.rest) > 0 {
		w.next()
		m.Rest = uint32(w.number())
	}
	return &wire.Packet{IP: wire.IP{Src: from, Dst: s.Client.Addr(), TTL: 60}, Transport: m}
}
