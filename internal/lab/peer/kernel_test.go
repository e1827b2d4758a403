package peer_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dialscope/dialscope/internal/lab/peer"
	"github.com/dialscope/dialscope/internal/wire"
)

const ms = time.Millisecond

// kernel stands for the kernel under test, at 192.0.2.2 and 2001:db8::2, in
// time that passes only while all wait.
type kernel struct {
	t     *testing.T
	pipe  net.Conn
	began time.Time
	mu    sync.Mutex // protects got
	got   []delivery
	seen  int // of got
	stop  context.CancelFunc
	ended chan struct{}

	transcript *peer.Transcript
	err        error
}

// delivery is a packet that the peer sent, and when.
type delivery struct {
	after time.Duration
	raw   []byte
}

// rehearse plays a script against what act does, and returns how it ended.
func rehearse(t *testing.T, text string, act func(*kernel)) (transcript *peer.Transcript, err error) {
	t.Helper()
	script, err := peer.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		ctx, stop := context.WithCancel(context.Background())
		k := &kernel{t: t, pipe: ours, began: time.Now(), stop: stop, ended: make(chan struct{})}
		read := make(chan struct{})
		go func() {
			defer close(read)
			b := make([]byte, 0x10000)
			for {
				n, err := ours.Read(b)
				if err != nil {
					return
				}
				k.mu.Lock()
				k.got = append(k.got, delivery{time.Since(k.began), append([]byte(nil), b[:n]...)})
				k.mu.Unlock()
			}
		}()
		go func() {
			defer close(k.ended)
			k.transcript, k.err = script.Serve(ctx, theirs, nil)
		}()
		act(k)
		synctest.Wait()
		stop()
		<-k.ended
		transcript, err = k.transcript, k.err
		ours.Close()
		<-read
	})
	return transcript, err
}

// send hands the peer a packet and lets it be dealt with.
func (k *kernel) send(p wire.Packet) {
	k.t.Helper()
	b, err := p.Marshal()
	if err != nil {
		k.t.Fatal(err)
	}
	if _, err := k.pipe.Write(b); err != nil {
		k.t.Fatal(err)
	}
	synctest.Wait()
}

func (k *kernel) pass(d time.Duration) {
	time.Sleep(d) // no time passes outside the bubble
	synctest.Wait()
}

// take returns the oldest packet from the peer that was not looked at.
func (k *kernel) take() (d delivery, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen == len(k.got) {
		return d, false
	}
	k.seen++
	return k.got[k.seen-1], true
}

// next waits for the next packet from the peer, and tells when it came.
func (k *kernel) next() (*wire.Packet, time.Duration) {
	k.t.Helper()
	synctest.Wait()
	d, ok := k.take()
	if !ok {
		k.pass(errorDelay)
		if d, ok = k.take(); !ok {
			k.t.Fatal("the peer sent nothing more")
		}
	}
	p, err := wire.Parse(d.raw)
	if err != nil {
		k.t.Fatalf("%x: %v", d.raw, err)
	}
	return p, d.after
}

// quiet wants the peer to have sent nothing more.
func (k *kernel) quiet() {
	k.t.Helper()
	k.pass(errorDelay)
	for d, more := k.take(); more; d, more = k.take() {
		k.t.Errorf("unwanted: %s", wire.Summary(d.raw))
	}
}

// want compares the next packet's transport, and returns its header.
func (k *kernel) want(want wire.Transport) wire.IP {
	k.t.Helper()
	p, _ := k.next()
	if d := cmp.Diff(want, p.Transport, cmpopts.EquateEmpty()); d != "" {
		k.t.Errorf("(-want +got)\n%s", d)
	}
	return p.IP
}

// errorDelay is what an ICMP error takes at least.
const errorDelay = 5 * ms

const isn = 7000 // the kernel's

var (
	kernel4 = netip.MustParseAddr("192.0.2.2")
	kernel6 = netip.MustParseAddr("2001:db8::2")
)

// tcp is a segment from port 1024 to port 80.
func tcp(to string, flags wire.Flags, seq, ack uint32, payload string) wire.Packet {
	return wire.Packet{
		IP: from(to),
		Transport: &wire.Segment{
			SrcPort: 1024, DstPort: 80, Flags: flags, Seq: seq, Ack: ack, Window: 64240, Payload: []byte(payload),
		},
	}
}

func from(to string) wire.IP {
	ip := wire.IP{Src: kernel4, Dst: netip.MustParseAddr(to), TTL: 64}
	if ip.Dst.Is6() {
		ip.Src = kernel6
	}
	return ip
}

func syn(to string) wire.Packet { return tcp(to, wire.SYN, isn, 0, "") }

// segment is what the peer answers from port 80.
func segment(flags wire.Flags, seq, ack uint32, payload string) *wire.Segment {
	return &wire.Segment{
		SrcPort: 80, DstPort: 1024, Flags: flags, Seq: seq, Ack: ack, Window: 0xffff, Payload: []byte(payload),
	}
}

const iss = 1_000_000 // the peer's, for its first flow
