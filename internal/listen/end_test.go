package listen

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// RFC 9293 §3.10.7.4 (reset), tcp_write_err (timeout), icmp_err_convert.
func TestEndOf(t *testing.T) {
	for errno, want := range map[syscall.Errno]struct {
		who, how string
		cause    cause.ID
	}{
		syscall.ECONNRESET:   {"peer", "RST", cause.PeerReset},
		syscall.EPIPE:        {"peer", "RST", cause.BrokenPipe},
		syscall.ETIMEDOUT:    {"path", "timeout", cause.PeerVanished},
		syscall.EHOSTUNREACH: {"path", "ICMP", cause.PathLost},
		syscall.ENETUNREACH:  {"path", "ICMP", cause.PathLost},
		syscall.EBADF:        {"here", "error", cause.PolicyDenied},
	} {
		kind := endOf(errno)
		if got := endings[kind]; got.who != want.who || got.how != want.how || kind.plain().Cause != want.cause {
			t.Errorf("%v: %+v %s, want %+v", errno, got, kind.plain().Cause, want)
		}
	}
	for kind := range endingCount {
		if e := endings[kind]; e.who == "" || e.how == "" || kind.plain().Cause == "" {
			t.Errorf("ending %d: %+v", kind, e)
		}
	}
}

// What is counted as ordinary has the cause that the rules would have found, had
// anybody looked, whatever there was to see.
func TestOrdinaryEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := func() bool { return r.IntN(2) == 0 }
	long := func() time.Duration { return time.Duration(r.Int64N(int64(20 * time.Minute))) }
	states := []string{"ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "FIN_WAIT1", "FIN_WAIT2", "CLOSING", "TIME_WAIT", "CLOSE"}
	seen, ready := map[ending]int{}, 0
	peer, all := netip.MustParseAddrPort("192.0.2.7:50000"), new(verdicts)
	for k := range endingCount {
		all[k] = k.plain()
	}
	for range 50_000 {
		l := last{ending: ending(r.IntN(int(endingCount))), took: long(), fin: some(), half: some(), halfFirst: some(), limit: long()}
		switch l.ending {
		case peerFIN:
			l.fin, l.half = true, l.half && !l.halfFirst
		case bothFIN:
			l.fin, l.half, l.halfFirst = true, true, true
		}
		if l.errno = endings[l.ending].errno; l.errno != "" {
			l.call = []string{evidence.ByRead, evidence.ByWrite}[r.IntN(2)]
		}
		sent := some()
		f := &evidence.Flow{State: states[r.IntN(len(states))], Received: uint64(r.IntN(99)), WindowKnown: some(), Window: uint32(r.IntN(2) * 65535),
			SinceSent: long(), SinceReceived: long(), SinceAck: long(), RTO: 200 * time.Millisecond, Probes: uint8(r.IntN(4)), FINUnacked: some()}
		if sent {
			f.Sent, f.Unacked, f.Unsent = 500, uint64(r.IntN(2)*100), uint64(r.IntN(2)*50)
			f.Timeouts, f.Retransmitted = uint8(r.IntN(6)), uint32(r.IntN(6))
		}
		var alive *evidence.Alive
		if some() {
			alive = &evidence.Alive{KeepAlive: true, Idle: time.Second, Interval: time.Second, Count: 2}
		}
		if !l.ordinary(sent, alive != nil) {
			continue
		}
		seen[l.ending]++
		log := l.log()
		log.Add(l.took, evidence.FromTCPInfo, f)
		if l.errno != "" && alive != nil {
			log.Add(l.took, evidence.FromSocket, alive)
		}
		v := judge(peer, log)
		if v.Cause != l.ending.plain().Cause {
			t.Fatalf("%s, and %s is counted: %+v %+v", v.Cause, l.ending.plain().Cause, l, f)
		}
		if l.errno == "" && l.fin && f.FINReceived() {
			ready++
			plain := *all.of(l.ending, peer)
			v.Explanation, plain.Explanation, v.Remedy, plain.Remedy = "", "", "", "" // without the target's name
			if !reflect.DeepEqual(v, plain) {
				t.Fatalf("%+v, and %+v is told: %+v %+v", v, plain, l, f)
			}
		}
	}
	for _, kind := range []ending{peerFIN, bothFIN, peerRST, brokenPipe, hereFIN, limitFIN, hereRST, hereSilence} {
		if seen[kind] < 100 {
			t.Errorf("ending %d was ordinary %d times", kind, seen[kind])
		}
	}
	if ready < 100 {
		t.Errorf("%d verdicts were ready", ready)
	}
}

func BenchmarkJudge(b *testing.B) {
	l := last{ending: peerFIN, fin: true, took: time.Second}
	for b.Loop() {
		log := l.log()
		log.Add(l.took, evidence.FromTCPInfo, &evidence.Flow{State: "CLOSE_WAIT"})
		judge(netip.MustParseAddrPort("192.0.2.7:50000"), log)
	}
}
