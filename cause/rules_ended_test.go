package cause

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

const (
	sec = time.Second
	ms  = time.Millisecond
)

// established is a connection that has been opened and lived for a while.
func established(remote string) *story {
	return to(remote).connecting("EINPROGRESS").soError("").from(here + ":40000").later(10 * sec)
}

func read(errno evidence.Errno) *evidence.End {
	return &evidence.End{By: evidence.ByRead, Errno: errno, EOF: errno == ""}
}

func write(errno evidence.Errno) *evidence.End {
	return &evidence.End{By: evidence.ByWrite, Errno: errno}
}

func by(what string) *evidence.End { return &evidence.End{By: what} }

// traffic is a flow; change sets what is special about it.
func traffic(state string, change func(*evidence.Flow)) *evidence.Flow {
	f := &evidence.Flow{State: state, Sent: 1000, Received: 500, WindowKnown: true, Window: 64240,
		RTO: 201 * ms, RTT: ms, SinceSent: 10 * ms, SinceReceived: 9 * ms, SinceAck: 9 * ms}
	if change != nil {
		change(f)
	}
	return f
}

// unansweredFor is data sent, and sent again, without an answer.
func unansweredFor(d time.Duration) func(*evidence.Flow) {
	return func(f *evidence.Flow) {
		f.Unacked, f.Timeouts, f.Retransmitted, f.Backoff = 100, 5, 5, 5
		f.SinceAck, f.SinceReceived, f.SinceSent = d, d, d/3
	}
}

// afterIdle is data sent after the connection was idle, and not acknowledged.
func afterIdle(idle, since time.Duration) func(*evidence.Flow) {
	return func(f *evidence.Flow) {
		f.Unacked, f.SinceAck, f.SinceReceived, f.SinceSent = 100, idle+since, idle+since, since
		f.Quiet, f.SinceQuiet = idle, since
	}
}

// withRetries adds to a change that the data was sent again.
func withRetries(change func(*evidence.Flow), n uint8) func(*evidence.Flow) {
	return func(f *evidence.Flow) {
		change(f)
		f.Timeouts, f.Retransmitted, f.Backoff = n, uint32(n), n
	}
}

func stuffed(f *evidence.Flow) {
	f.Window, f.Unacked, f.Unsent, f.WindowLimited = 0, 60000, 60000, 5*sec
}

func again(answer string, i *evidence.ICMP) *evidence.Probe {
	return &evidence.Probe{Experiment: "second-source-port", Protocol: "tcp", Sent: 1, Answer: answer, From: ip(there), ICMP: i}
}

func TestEnds(t *testing.T) {
	remote := there + ":443"
	keepalive := &evidence.Alive{KeepAlive: true, Idle: 15 * sec, Interval: 5 * sec, Count: 3}
	idleFor := func(d time.Duration, probes uint8) func(*evidence.Flow) {
		return func(f *evidence.Flow) { f.SinceAck, f.SinceReceived, f.SinceSent, f.Probes = d, d, d, probes }
	}
	for _, tt := range []struct {
		name string
		log  *story
		want wanted
	}{
		// In order.
		{"end of file", established(remote).add(read(""), traffic("CLOSE_WAIT", nil)),
			wanted{Closed, "", PeerClosed, Certain, Destination, there, nil, nil}},
		{"end of file, and the state was not seen", established(remote).add(read("")),
			wanted{Closed, "", PeerClosed, Likely, Destination, there, nil, nil}},
		{"end of file in a state without FIN", established(remote).add(read(""), traffic("ESTABLISHED", nil)),
			wanted{Closed, "", PeerClosed, Likely, Destination, there, nil, nil}},
		{"this end finished first", established(remote).add(by(evidence.ByShutdown)).later(sec).add(read(""), traffic("CLOSE", nil)),
			wanted{Closed, "", PeerClosed, Certain, Nobody, "", nil, nil}},
		{"this end finished after the peer", established(remote).add(read(""), by(evidence.ByShutdown), traffic("LAST_ACK", nil)),
			wanted{Closed, "", PeerClosed, Certain, Destination, there, nil, nil}},
		{"closed here", established(remote).add(by(evidence.ByClose), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"closed here after this end's own SHUT_RD", established(remote).add(by(evidence.ByCloseRead), read(""), by(evidence.ByClose), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"the time was over", established(remote).add(by(evidence.ByLimit), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"interrupted", established(remote).add(by(evidence.BySignal), traffic("ESTABLISHED", nil)),
			wanted{Cancelled, "", CancelledByCaller, Certain, Local, "", nil, nil}},
		{"it stands", established(remote).add(by(evidence.ByLook), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"it stands, with data that nobody acknowledges", established(remote).add(by(evidence.ByLook), traffic("ESTABLISHED", unansweredFor(5*sec))),
			wanted{Open, "", IsOpen, Possible, Nobody, "", nil, nil}},
		{"closed here with data that nobody acknowledged", established(remote).add(by(evidence.ByClose), traffic("ESTABLISHED", unansweredFor(5*sec))),
			wanted{Open, "", PeerVanished, Possible, Destination, there, []ID{IsOpen}, nil}},

		{"the time was over while data was sent again", established(remote).
			add(by(evidence.ByLimit), traffic("ESTABLISHED", func(f *evidence.Flow) { f.Unacked, f.Timeouts, f.Retransmitted, f.SinceAck = 100, 1, 1, 300*ms }), routed()),
			wanted{Open, "", IsOpen, Likely, Nobody, "", []ID{PeerVanished}, nil}},
		{"it stands, and data was sent again", established(remote).
			add(by(evidence.ByLook), traffic("ESTABLISHED", func(f *evidence.Flow) { f.Unacked, f.Timeouts, f.Retransmitted = 100, 1, 1 }), routed()),
			wanted{Open, "", IsOpen, Likely, Nobody, "", nil, []ID{PeerVanished}}},

		// Reset.
		{"reset in the middle", established(remote).add(read("ECONNRESET"), traffic("CLOSE", nil), routed()),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, []ID{PathFirewallReset}, []ID{PeerRebooted, IdleStateExpired}}},
		{"reset with data in flight", established(remote).add(write("ECONNRESET"), traffic("CLOSE", func(f *evidence.Flow) { f.Unacked = 700 }), routed()),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, []ID{PathFirewallReset}, []ID{PeerRebooted, IdleStateExpired}}},
		{"reset while idle, and nothing had been sent", established(remote).add(read("ECONNRESET"), traffic("CLOSE", idleFor(10*time.Minute, 0)), routed()),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, []ID{PathFirewallReset}, []ID{PeerRebooted}}},
		{"reset on the same host", established("127.0.0.1:80").add(read("ECONNRESET"), traffic("CLOSE", afterIdle(time.Minute, ms))),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, "127.0.0.1", nil, []ID{PeerRebooted, IdleStateExpired, PathFirewallReset}}},
		{"the data after the silence was acknowledged before the reset", established(remote).
			add(read("ECONNRESET"), traffic("CLOSE", func(f *evidence.Flow) { afterIdle(time.Minute, sec)(f); f.Unacked, f.SinceAck = 0, 900*ms }), routed()),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, nil, []ID{PeerRebooted, IdleStateExpired}}},

		// A reset after a silence.
		{"on the link, data after a silence is answered with a reset", established(remote).add(read("ECONNRESET"), traffic("CLOSE", afterIdle(20*sec, ms)), onLink(there)),
			wanted{Reset, "ECONNRESET", PeerRebooted, Likely, Destination, there, []ID{IdleStateExpired, PeerReset}, nil}},
		{"behind routers, after a short silence", established(remote).add(read("ECONNRESET"), traffic("CLOSE", afterIdle(5*sec, 30*ms)), routed()),
			wanted{Reset, "ECONNRESET", PeerRebooted, Possible, Destination, there, []ID{IdleStateExpired, PeerReset, PathFirewallReset}, nil}},
		{"behind routers, after a long one", established(remote).add(read("ECONNRESET"), traffic("CLOSE", afterIdle(6*time.Minute, 30*ms)), routed()),
			wanted{Reset, "ECONNRESET", IdleStateExpired, Possible, Path, "", []ID{PeerRebooted, PeerReset}, nil}},
		{"behind routers, sent again in vain before the reset", established(remote).add(read("ECONNRESET"), traffic("CLOSE", unansweredFor(9*sec)), routed()),
			wanted{Reset, "ECONNRESET", PeerRebooted, Likely, Destination, there, []ID{PeerReset}, nil}},
		{"a keepalive probe is answered with a reset", established(remote).add(keepalive, read("ECONNRESET"), traffic("CLOSE", idleFor(2*time.Minute, 0)), routed()),
			wanted{Reset, "ECONNRESET", IdleStateExpired, Possible, Path, "", []ID{PeerRebooted, PeerReset}, nil}},

		// After the peer's end.
		{"wrote after end of file", established(remote).add(read(""), write("EPIPE"), traffic("CLOSE", nil)),
			wanted{Closed, "EPIPE", BrokenPipe, Certain, Destination, there, nil, nil}},
		{"wrote, and had not read the end of file", established(remote).add(write("EPIPE"), traffic("CLOSE", nil)),
			wanted{Closed, "EPIPE", BrokenPipe, Likely, Destination, there, nil, nil}},
		{"wrote after its own shutdown", established(remote).add(by(evidence.ByShutdown), write("EPIPE"), traffic("FIN_WAIT2", nil)),
			wanted{Closed, "EPIPE", BrokenPipe, Certain, Local, "", nil, nil}},
		{"reset first, then a broken pipe", established(remote).add(read("ECONNRESET"), write("EPIPE"), traffic("CLOSE", nil)),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, nil, []ID{BrokenPipe}}},
		{"the write after end of file is reset", established(remote).add(read(""), write("ECONNRESET"), traffic("CLOSE", nil)),
			wanted{Reset, "ECONNRESET", BrokenPipe, Likely, Destination, there, []ID{PeerReset}, nil}},

		// Silence.
		{"given up", established(remote).add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(15*time.Minute)), routed()),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, nil, []ID{IdleStateExpired, ZeroWindow, PathLost}}},
		{"keepalive gave up", established(remote).add(keepalive, read("ETIMEDOUT"), traffic("CLOSE", idleFor(30*sec, 3)), routed()),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, []ID{IdleStateExpired}, []ID{ZeroWindow}}},
		{"given up after a long idle time", established(remote).add(read("ETIMEDOUT"), traffic("CLOSE", withRetries(afterIdle(6*time.Minute, 30*sec), 6)), routed()),
			wanted{Timeout, "ETIMEDOUT", IdleStateExpired, Possible, Path, "", []ID{PeerVanished}, nil}},
		{"given up on the link after a long idle time", established(remote).add(read("ETIMEDOUT"), traffic("CLOSE", withRetries(afterIdle(6*time.Minute, 30*sec), 6)), onLink(there)),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Possible, Destination, there, []ID{IdleStateExpired}, nil}},
		{"given up after an idle time, and a new connection works", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", withRetries(afterIdle(6*time.Minute, 30*sec), 6)), routed(), again(evidence.AnswerSYNACK, nil)),
			wanted{Timeout, "ETIMEDOUT", IdleStateExpired, Likely, Path, "", []ID{PeerVanished, PeerRebooted}, nil}},
		{"given up after an idle time, and a new connection gets no answer", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", withRetries(afterIdle(6*time.Minute, 30*sec), 6)), routed(), again("", nil)),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, nil, []ID{IdleStateExpired, PeerRebooted}}},
		{"given up without an idle time, and a new connection works", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(15*time.Minute)), routed(), again(evidence.AnswerSYNACK, nil)),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Possible, Destination, there, []ID{PeerRebooted}, []ID{IdleStateExpired}}},
		{"the peer on the link answers ARP no more", established(remote).
			add(read("EHOSTUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), onLink(there), neighbour(there, "FAILED", false)),
			wanted{Unreachable, "EHOSTUNREACH", PeerVanished, Likely, Destination, there, nil, []ID{PathLost}}},
		{"the time was over while nothing was acknowledged", established(remote).add(by(evidence.ByLimit), traffic("ESTABLISHED", unansweredFor(5*sec)), routed()),
			wanted{Timeout, "", PeerVanished, Possible, Destination, there, []ID{IsOpen}, nil}},

		// The way.
		{"a timer gave what an ICMP error had said", established(remote).add(read("EHOSTUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), routed()),
			wanted{Unreachable, "EHOSTUNREACH", PathLost, Likely, Router, "", nil, []ID{PeerVanished}}},
		{"the ICMP error stood in the queue", established(remote).
			add(icmp(3, 1, "EHOSTUNREACH", mid), read("EHOSTUNREACH"), traffic("ESTABLISHED", nil), routed()),
			wanted{Unreachable, "EHOSTUNREACH", PathLost, Certain, Router, mid, nil, nil}},
		{"a new connection meets the router that says no", established(remote).
			add(read("EHOSTUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), routed(), again(evidence.AnswerICMP, icmp(3, 1, "EHOSTUNREACH", mid))),
			wanted{Unreachable, "EHOSTUNREACH", PathLost, Likely, Router, mid, nil, []ID{PeerVanished}}},
		{"given up, and a new connection meets a router that says no", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(20*sec)), routed(), again(evidence.AnswerICMP, icmp(3, 0, "ENETUNREACH", mid))),
			wanted{Timeout, "ETIMEDOUT", PathLost, Likely, Router, mid, nil, []ID{PeerVanished}}},
		{"the own route is gone, and nothing left", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { unansweredFor(20 * sec)(f); f.Retransmitted = 0 }), rejected("ENETUNREACH", "")),
			wanted{Timeout, "ETIMEDOUT", PathLost, Certain, Local, "", nil, nil}},
		{"the own route is gone now", established(remote).
			add(read("ENETUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), rejected("ENETUNREACH", "")),
			wanted{Unreachable, "ENETUNREACH", PathLost, Likely, Local, "", []ID{PeerVanished}, []ID{IdleStateExpired}}},
		{"the own interface has no carrier", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(20*sec)), routed(), &evidence.Link{Name: "eth0", Exists: true, Up: true}),
			wanted{Timeout, "ETIMEDOUT", PathLost, Likely, Local, "", []ID{PeerVanished}, []ID{IdleStateExpired}}},
		{"the own interface has no carrier, and nothing left", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { unansweredFor(20 * sec)(f); f.Retransmitted = 0 }), onLink(there), &evidence.Link{Name: "eth0", Exists: true, Up: true}),
			wanted{Timeout, "ETIMEDOUT", PathLost, Likely, Local, "", []ID{PeerVanished}, nil}},
		{"the own route is gone, but something had been sent again in vain before", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { unansweredFor(20 * sec)(f); f.Retransmitted = 2 }), rejected("ENETUNREACH", "")),
			wanted{Timeout, "ETIMEDOUT", PathLost, Likely, Local, "", []ID{PeerVanished}, nil}},
		{"the gateway is gone", established(remote).
			add(read("EHOSTUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), routed(), neighbour(gateway, "FAILED", true)),
			wanted{Unreachable, "EHOSTUNREACH", PathLost, Likely, Router, gateway, nil, []ID{PeerVanished}}},
		{"an ICMP error of the handshake is not the end's", to(remote).connecting("EINPROGRESS").
			add(icmp(3, 1, "EHOSTUNREACH", mid)).soError("").later(10*sec).add(read("EHOSTUNREACH"), traffic("CLOSE", unansweredFor(20*sec)), routed()),
			wanted{Unreachable, "EHOSTUNREACH", PathLost, Likely, Router, "", nil, nil}},

		// The window.
		{"the window is closed, and its probes are answered", established(remote).add(by(evidence.ByLimit), traffic("ESTABLISHED", stuffed)),
			wanted{Timeout, "", ZeroWindow, Certain, Destination, there, nil, nil}},
		{"interrupted while the window was closed", established(remote).add(by(evidence.BySignal), traffic("ESTABLISHED", stuffed)),
			wanted{Cancelled, "", ZeroWindow, Certain, Destination, there, nil, nil}},
		{"a user timeout while the window was closed", established(remote).add(&evidence.Alive{UserTimeout: 2 * sec}, write("ETIMEDOUT"), traffic("CLOSE", stuffed)),
			wanted{Timeout, "ETIMEDOUT", ZeroWindow, Certain, Destination, there, nil, nil}},
		{"the window was closed, and then nothing was heard", established(remote).
			add(write("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { stuffed(f); f.Probes, f.SinceAck, f.Backoff = 8, 2*time.Minute, 8 }), routed()),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, []ID{ZeroWindow}, nil}},
		{"a user timeout while the window was closed, and only the first probe was answered", established(remote).
			add(&evidence.Alive{UserTimeout: sec}, write("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { stuffed(f); f.Probes, f.SinceAck = 1, 1008*ms }), routed()),
			wanted{Timeout, "ETIMEDOUT", ZeroWindow, Likely, Destination, there, []ID{PeerVanished}, nil}},
		{"a user timeout while the window was closed, and the probes went unanswered", established(remote).
			add(&evidence.Alive{UserTimeout: 2 * sec}, write("ETIMEDOUT"), traffic("CLOSE", func(f *evidence.Flow) { stuffed(f); f.Probes, f.SinceAck = 1, 2200*ms }), routed()),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, []ID{ZeroWindow}, nil}},
		{"an old kernel does not tell the window", established(remote).
			add(by(evidence.ByLimit), traffic("ESTABLISHED", func(f *evidence.Flow) { stuffed(f); f.WindowKnown = false })),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"it stands with a closed window", established(remote).add(by(evidence.ByLook), traffic("ESTABLISHED", stuffed)),
			wanted{Open, "", ZeroWindow, Certain, Destination, there, nil, nil}},

		// This host's own doing.
		{"the own filter drops what is sent", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(20*sec)), routed(), &evidence.Filter{Packet: evidence.FilterOut, Matches: []evidence.FilterRule{{Verdict: "drop", Sure: true}}}),
			wanted{Timeout, "ETIMEDOUT", LocalFirewallDrop, Likely, Local, "", []ID{PeerVanished}, []ID{LocalFirewallInput, IdleStateExpired}}},
		{"the own filter drops what comes", established(remote).
			add(keepalive, read("ETIMEDOUT"), traffic("CLOSE", idleFor(5*time.Minute, 3)), routed(), &evidence.Filter{Packet: evidence.FilterIn, Matches: []evidence.FilterRule{{Verdict: "drop", Sure: true}}}),
			wanted{Timeout, "ETIMEDOUT", LocalFirewallInput, Likely, Local, "", []ID{PeerVanished}, []ID{IdleStateExpired}}},
		{"the own filter may drop what comes", established(remote).
			add(read("ETIMEDOUT"), traffic("CLOSE", unansweredFor(20*sec)), routed(), &evidence.Filter{Packet: evidence.FilterIn, Matches: []evidence.FilterRule{{Verdict: "drop"}}}),
			wanted{Timeout, "ETIMEDOUT", PeerVanished, Likely, Destination, there, nil, []ID{LocalFirewallInput}}},
		{"a filter does not reset what it drops", established(remote).
			add(read("ECONNRESET"), traffic("CLOSE", nil), routed(), &evidence.Filter{Packet: evidence.FilterIn, Matches: []evidence.FilterRule{{Verdict: "drop", Sure: true}}}),
			wanted{Reset, "ECONNRESET", PeerReset, Likely, Destination, there, []ID{PathFirewallReset}, []ID{LocalFirewallInput}}},
		{"the socket was destroyed", established(remote).add(read("ECONNABORTED"), traffic("CLOSE", nil), routed()),
			wanted{LocalFault, "ECONNABORTED", CancelledByCaller, Likely, Local, "", nil, []ID{PeerReset, PathFirewallReset}}},
		{"reset by this end", established(remote).add(by(evidence.ByReset), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},
		{"forgotten by this end", established(remote).add(by(evidence.ByForget), traffic("ESTABLISHED", nil)),
			wanted{Open, "", IsOpen, Certain, Nobody, "", nil, nil}},

		// What no rule knows keeps the kernel's word.
		{"an errno that ends no connection", established(remote).add(read("EIO")),
			wanted{LocalFault, "EIO", PolicyDenied, Possible, Local, "", nil, nil}},
		{"refused by this host's policy", established(remote).add(write("EPERM"), traffic("ESTABLISHED", nil)),
			wanted{Denied, "EPERM", PolicyDenied, Likely, Local, "", nil, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) { check(t, Explain(tt.log.dial()), tt.want) })
	}
}

// An idle connection that this end closes says how long nothing was heard, and not
// that all is well.
func TestClosedHereAfterASilence(t *testing.T) {
	for _, tt := range []struct {
		by    string
		since time.Duration
		says  string
	}{
		{evidence.ByLimit, 5 * time.Minute, "the peer was last heard 5m0s before"}, {evidence.ByClose, 90 * sec, "the peer was last heard 90 s before"},
		{evidence.ByLook, 2 * sec, "the peer was last heard 2 s ago"}, {evidence.ByLimit, 20 * ms, ""},
	} {
		f := traffic("ESTABLISHED", func(f *evidence.Flow) { f.SinceAck = tt.since })
		v := Explain(established(there+":443").add(by(tt.by), f).dial())
		if v.Cause != IsOpen || tt.says != "" && !strings.Contains(v.Explanation, tt.says) || tt.says == "" && strings.Contains(v.Explanation, "last heard") {
			t.Errorf("%s after %v: %s", tt.by, tt.since, v.Explanation)
		}
		if asks := strings.Contains(v.Remedy, "keepalive"); asks != (tt.says != "") {
			t.Errorf("%s after %v: %s", tt.by, tt.since, v.Remedy)
		}
	}
}

// The winner of a race speaks for the target, once it has ended.
func TestEndOfARacesWinner(t *testing.T) {
	d := established(there+":443").add(read(""), traffic("CLOSE_WAIT", nil)).dial()
	lost := to("[2001:db8::1]:443").connecting("ECONNREFUSED").dial()
	d.Attempts = append(slices.Clone(lost.Attempts), d.Attempts...)
	if v := Explain(d); v.Cause != PeerClosed || v.Culprit.Address != ip(there) {
		t.Errorf("%+v", v)
	}
	if v := ExplainAttempt(d, 0); v.Outcome != Refused {
		t.Errorf("the attempt that lost is judged by its own log: %+v", v)
	}
}

// Without an end, facts about the traffic leave the verdict to the beginning.
func TestFlowIsNoEnd(t *testing.T) {
	if v := Explain(established(there + ":443").add(traffic("ESTABLISHED", stuffed)).dial()); v.Cause != IsOpen || v.Outcome != Open {
		t.Errorf("%+v", v)
	}
}

// A watched connection whose opening nobody saw is judged all the same.
func TestEndWithoutABeginning(t *testing.T) {
	v := Explain(to(there+":443").later(3*sec).add(read("ECONNRESET"), traffic("CLOSE", nil)).dial())
	if v.Cause != PeerReset || v.Outcome != Reset || v.Explanation == "" {
		t.Errorf("%+v", v)
	}
}
