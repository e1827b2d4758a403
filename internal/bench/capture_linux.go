package main

import (
	"bufio"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

// writeCapture makes a capture of short connections, 7 or 8 packets each, a
// thousand under way at any time: most are opened, exchange a request and an
// answer, and are closed; one in ten is refused, one in twenty is silent. Gap
// is the time from one packet to the next.
func writeCapture(name string, packets int, gap time.Duration) (connections int, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	w := &captureWriter{out: bufio.NewWriterSize(f, 1<<20), at: time.Unix(1700000000, 0), gap: gap}
	w.header()
	rng := rand.New(rand.NewPCG(1, 2))
	var open []*talk
	for w.written < packets {
		for len(open) < 1000 {
			open = append(open, newTalk(connections, rng))
			connections++
		}
		i := rng.IntN(len(open))
		if open[i].next(w) {
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
	for _, t := range open { // to their end, so that every connection is whole
		for !t.next(w) {
		}
	}
	if err := w.out.Flush(); err != nil {
		return 0, err
	}
	return connections, f.Close()
}

type captureWriter struct {
	out     *bufio.Writer
	at      time.Time
	gap     time.Duration
	written int
	buf     []byte
}

func (w *captureWriter) header() {
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = binary.LittleEndian.AppendUint32(h, 262144)
	h = binary.LittleEndian.AppendUint32(h, 1) // Ethernet
	w.out.Write(h)                             //nolint:errcheck // Flush says it
}

var ethernetHeader = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}

func (w *captureWriter) packet(p *wire.Packet) {
	w.at = w.at.Add(w.gap)
	w.buf = append(append(w.buf[:0], make([]byte, 16)...), ethernetHeader...)
	b, err := p.Append(w.buf)
	if err != nil {
		panic(err) // a packet of this program's own making
	}
	w.buf = b
	length := uint32(len(b) - 16)
	binary.LittleEndian.PutUint32(b, uint32(w.at.Unix()))
	binary.LittleEndian.PutUint32(b[4:], uint32(w.at.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(b[8:], length)
	binary.LittleEndian.PutUint32(b[12:], length)
	w.out.Write(b) //nolint:errcheck // Flush says it
	w.written++
}

// talk is one connection that is being written.
type talk struct {
	client, server netip.AddrPort
	cseq, sseq     uint32
	kind, step     int
}

func newTalk(n int, rng *rand.Rand) *talk {
	t := &talk{cseq: rng.Uint32(), sseq: rng.Uint32()}
	client := netip.AddrFrom4([4]byte{10, byte(n >> 22), byte(n >> 14), byte(n>>6) | 1})
	server := netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + rng.IntN(200))})
	t.client, t.server = netip.AddrPortFrom(client, uint16(32768+n%28000)), netip.AddrPortFrom(server, 443)
	switch k := rng.IntN(20); {
	case k == 0:
		t.kind = 1 // silent
	case k <= 2:
		t.kind = 2 // refused
	}
	return t
}

// next writes the talk's next packet; true: it was the last.
func (t *talk) next(w *captureWriter) bool {
	t.step++
	syn := wire.Options{wire.MSS(1460), wire.SACK(), wire.Timestamps(1, 0), wire.NOP(), wire.WScale(7)}
	switch {
	case t.step == 1:
		t.send(w, true, wire.SYN, syn, 0)
	case t.kind == 1:
		t.cseq--
		t.send(w, true, wire.SYN, syn, 0)
		return t.step == 3
	case t.kind == 2:
		t.sseq = 0
		t.send(w, false, wire.RST|wire.ACK, nil, 0)
		return true
	case t.step == 2:
		t.send(w, false, wire.SYN|wire.ACK, syn, 0)
	case t.step == 3:
		t.send(w, true, wire.ACK, nil, 0)
	case t.step == 4:
		t.send(w, true, wire.ACK|wire.PSH, nil, 40)
	case t.step == 5:
		t.send(w, false, wire.ACK|wire.PSH, nil, 120)
	case t.step == 6:
		t.send(w, true, wire.ACK|wire.FIN, nil, 0)
	case t.step == 7:
		t.send(w, false, wire.ACK|wire.FIN, nil, 0)
	default:
		t.send(w, true, wire.ACK, nil, 0)
		return true
	}
	return false
}

var payload [256]byte

func (t *talk) send(w *captureWriter, fromClient bool, flags wire.Flags, o wire.Options, data int) {
	src, dst, seq, ack, ttl := t.client, t.server, &t.cseq, t.sseq, uint8(64)
	if !fromClient {
		src, dst, seq, ack, ttl = t.server, t.client, &t.sseq, t.cseq, 57
	}
	if flags&wire.ACK == 0 {
		ack = 0
	}
	s := &wire.Segment{SrcPort: src.Port(), DstPort: dst.Port(), Seq: *seq, Ack: ack, Flags: flags, Window: 64240, Options: o, Payload: payload[:data]}
	w.packet(&wire.Packet{IP: wire.IP{Src: src.Addr(), Dst: dst.Addr(), TTL: ttl, DontFragment: true}, Transport: s})
	*seq += s.Len()
}
