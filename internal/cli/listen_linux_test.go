package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/listen"
)

// transcript collects an output and tells when a text is in it.
type transcript struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{}, 1)} }

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.b.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await returns the first match of a pattern's group.
func (o *transcript) await(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(10 * time.Second)
	for {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-o.more:
		case <-late:
			t.Fatalf("no %s in\n%s", pattern, o)
		}
	}
}

// server runs dialscope listen until stop, which gives its exit status.
func server(t *testing.T, args ...string) (out, errs *transcript, stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	out, errs = newTranscript(), newTranscript()
	status := make(chan int, 1)
	go func() { status <- Run(ctx, append([]string{"listen"}, args...), strings.NewReader(""), out, errs) }()
	code := -1
	var once sync.Once
	end := func() { once.Do(func() { code = <-status }) }
	t.Cleanup(func() { cancel(); end() })
	return out, errs, func() int {
		if len(args) == 0 || args[len(args)-1] != "--count=1" {
			cancel()
		}
		end()
		return code
	}
}

// A server that a person runs: where it listens, who comes, how it ends, the sum.
func TestListen(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	out, errs, stop := server(t, ":0", "--welcome", "hello", "--echo")
	address := out.await(t, `listening on (127\.0\.0\.1:\d+) \(tcp`)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("back, please"))
	c.(*net.TCPConn).CloseWrite()
	text, err := io.ReadAll(c)
	if err != nil || !regexp.MustCompile(`^hello \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\r\nback, please$`).Match(text) {
		t.Errorf("heard %q, %v", text, err)
	}
	from := c.LocalAddr().String()
	out.await(t, `\d\d:\d\d:\d\d\.\d{3} \+ #1   (`+from+`) → `+address+`\n`)
	out.await(t, `- #1   (`+from+`)  the peer closed: FIN \(peer-closed\); in 12 B, out 47 B, [\d.]+ [µm]?s\n`)
	if code := stop(); code != exitCancelled {
		t.Errorf("status %d", code)
	}
	if got := out.String(); !strings.Contains(got, "1 connection in ") || !strings.Contains(got, "\n        1  the peer closed: FIN (peer-closed)\n") {
		t.Errorf("%s", got)
	}
	if errs.String() != "" {
		t.Errorf("on the error stream: %s", errs)
	}
}

// The same for a program: each line is a document, the last one the summary.
func TestListenJSON(t *testing.T) {
	out, _, stop := server(t, ":0", "--json", "--reset", "--delay=300ms", "--count=1")
	c, err := net.Dial("tcp", out.await(t, `"local":"([^"]+)"`))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	if code := stop(); code != exitOpen {
		t.Errorf("status %d: --count ends by itself", code)
	}
	var kinds []string
	var last map[string]any
	for line := range strings.Lines(out.String()) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		kinds = append(kinds, last["event"].(string))
		if last["event"] == "ended" && (last["by"] != "here" || last["how"] != "RST" || last["peer"] != c.LocalAddr().String() || last["in"] != 0.0) {
			t.Errorf("%s", line)
		}
	}
	// The sockets are closed by another thread than the one that accepted.
	told := slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "refusing" })
	if got := strings.Join(told, " "); got != "listening accepted ended summary" || len(kinds) != len(told)+1 || kinds[len(kinds)-1] != "summary" {
		t.Errorf("%s", kinds)
	}
	if last["accepted"] != 1.0 || last["ended"] != 1.0 || last["reason"] != "count" || last["most_open"] != 1.0 {
		t.Errorf("%v", last)
	}
}

func TestListenQuietAndBounded(t *testing.T) {
	out, _, _ := server(t, "127.0.0.1:0", "127.0.0.2:0", "--quiet", "--for=50ms", "--count=1")
	out.await(t, `0 connections in`)
	if got := strings.Count(out.String(), "\n"); got != 3 {
		t.Errorf("%d lines:\n%s", got, out)
	}
}

func TestListenUDP(t *testing.T) {
	out, _, stop := server(t, ":0", "--udp", "--echo")
	address := out.await(t, `listening on (127\.0\.0\.1:\d+) \(udp`)
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("ping"))
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 16)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "ping" {
		t.Errorf("%q, %v", b[:n], err)
	}
	out.await(t, `(a datagram of 4 B)`)
	stop()
	if got := out.String(); !strings.Contains(got, "1 datagram from 1 peer in ") || !strings.Contains(got, "out 4 B in 1 answer\n") {
		t.Errorf("%s", got)
	}
}

// The port is this process's own, which is named.
func TestListenPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	errs := new(bytes.Buffer)
	code := Run(t.Context(), []string{"listen", l.Addr().String()}, strings.NewReader(""), io.Discard, errs)
	if code != exitLocal || !regexp.MustCompile(`127\.0\.0\.1:\d+ is in use: \S+, process \d+, listens on 127\.0\.0\.1:\d+: end it, or choose another port`).MatchString(errs.String()) {
		t.Errorf("status %d: %s", code, errs)
	}
}

// What is said of an address that cannot be had.
func TestListenErrorWords(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:80")
	for _, tt := range []struct {
		bind listen.BindError
		says string
	}{
		{listen.BindError{Err: syscall.EACCES, Lowest: 1024}, "port 80 is privileged (net.ipv4.ip_unprivileged_port_start is 1024): choose a higher one, or run once as root: setcap cap_net_bind_service=+ep"},
		{listen.BindError{Err: syscall.EADDRINUSE}, "127.0.0.1:80 is in use: a socket that is not seen from here has it"},
		{listen.BindError{Err: syscall.EADDRINUSE, Holder: &evidence.Holder{Local: at, State: "LISTEN"}}, "a process of another user has it (127.0.0.1:80, LISTEN): ss -tlnp 'sport = :80' as root names it"},
		{listen.BindError{Err: syscall.EADDRINUSE, Network: "udp", Holder: &evidence.Holder{Local: at, State: "CLOSE"}}, "ss -ulnp 'sport = :80'"},
		{listen.BindError{Err: syscall.EADDRINUSE, Holder: &evidence.Holder{Local: at, State: "TIME_WAIT"}}, "is in TIME_WAIT"},
		{listen.BindError{Err: syscall.EADDRINUSE, Network: "udp", Holder: &evidence.Holder{Local: at, State: "CLOSE", PID: 7, Command: "named"}}, "named, process 7, has a socket there on 127.0.0.1:80"},
		{listen.BindError{Err: syscall.EADDRNOTAVAIL}, "127.0.0.1 is no address of this host"},
		{listen.BindError{Err: syscall.EAFNOSUPPORT}, "this host has no IPv4"},
		{listen.BindError{Err: syscall.ENOBUFS, Call: "bind"}, "cannot listen on 127.0.0.1:80: bind 127.0.0.1:80: "},
	} {
		a, _ := testApp()
		tt.bind.Addr = at
		if code := a.status(a.listenError(&tt.bind)); code != exitLocal || !strings.Contains(a.stderr.(*bytes.Buffer).String(), tt.says) {
			t.Errorf("status %d, %s; want %s", code, a.stderr, tt.says)
		}
	}
}

// An output that nobody reads any more ends the server.
func TestListenOutputFull(t *testing.T) {
	errs := new(bytes.Buffer)
	code := Run(t.Context(), []string{"listen", ":0"}, strings.NewReader(""), full{}, errs)
	if code != exitFailed || !strings.Contains(errs.String(), "could not be written: no space") {
		t.Errorf("status %d: %s", code, errs)
	}
}

// judged is a verdict.
func judged(id cause.ID, c cause.Confidence) *cause.Verdict {
	return &cause.Verdict{Finding: cause.Finding{Cause: id, Confidence: c}}
}

func TestListenWords(t *testing.T) {
	a, _ := testApp("LANG", "C.UTF-8")
	l := &listening{app: a, listenOptions: &listenOptions{network: "tcp"}, style: terminal.Style{Unicode: true}}
	peer, here := netip.MustParseAddrPort("192.0.2.7:50000"), netip.MustParseAddrPort("127.0.0.1:9000")
	var got strings.Builder
	traffic := &listen.Traffic{In: 5, Out: 12345, Unread: 3, Unsent: 7, Took: 1500 * time.Millisecond}
	for _, e := range []listen.Event{
		{Kind: listen.Accepted}, {Kind: listen.Held, Traffic: traffic},
		{Kind: listen.Ended, By: "peer", How: "FIN", Verdict: judged(cause.PeerClosed, cause.Certain), Traffic: traffic},
		{Kind: listen.Ended, By: "peer", How: "RST", Verdict: judged(cause.PeerReset, cause.Likely), Errno: "ECONNRESET", Traffic: traffic},
		{Kind: listen.Ended, By: "peer", How: "RST", Verdict: judged(cause.BrokenPipe, cause.Certain), Errno: "EPIPE", Traffic: traffic},
		{Kind: listen.Ended, By: "path", How: "timeout", Verdict: judged(cause.PeerVanished, cause.Possible), Errno: "ETIMEDOUT", Traffic: traffic},
		{Kind: listen.Ended, By: "path", How: "ICMP", Verdict: judged(cause.PathLost, cause.Likely), Errno: "EHOSTUNREACH", Traffic: traffic},
		{Kind: listen.Ended, By: "here", How: "FIN", Verdict: judged(cause.CancelledByCaller, cause.Certain), Traffic: traffic},
		{Kind: listen.Ended, By: "here", How: "FIN", Verdict: judged(cause.ZeroWindow, cause.Certain), Traffic: traffic},
		{Kind: listen.Ended, By: "here", How: "RST", Verdict: judged(cause.IsOpen, cause.Certain), Traffic: traffic},
		{Kind: listen.Ended, By: "crash", How: "silence", Verdict: judged(cause.IsOpen, cause.Certain), Traffic: traffic}, {Kind: listen.Ended, By: "here", How: "error", Errno: "ENOSPC", Traffic: traffic},
		{Kind: listen.NewPeer}, {Kind: listen.Received, Traffic: &listen.Traffic{In: 12345678}},
		{Kind: listen.LimitHit, Errno: "EMFILE", Limit: 64, Waiting: 64}, {Kind: listen.LimitHit, Errno: "ENFILE"}, {Kind: listen.Resumed}, {Kind: listen.Refusing},
	} {
		e.At = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.Local)
		e.Peer, e.Local = peer, here
		if e.Kind == listen.Accepted || e.Kind == listen.Held || e.Kind == listen.Ended {
			e.ID = 12
		}
		got.WriteString(l.words(&e) + "\n")
	}
	got.WriteString(l.summaryText(&listen.Summary{Took: 90 * time.Second, Counters: listen.Counters{Accepted: 1234567, Ended: 1234567, MostOpen: 4000, In: 1e9, Out: 2e6, Queued: 3, Gone: 2, Paused: 1},
		Ends: []listen.Ends{{By: "peer", How: "FIN", Cause: cause.PeerClosed, Count: 1234000}, {By: "here", How: "FIN", Cause: cause.CancelledByCaller, Count: 567},
			{By: "path", How: "ICMP", Cause: cause.PathLost, Count: 2}, {By: "peer", How: "RST", Cause: cause.BrokenPipe, Count: 1}}}))
	l.network = "udp"
	got.WriteString(l.summaryText(&listen.Summary{Took: time.Second, Counters: listen.Counters{Datagrams: 2, Peers: 1, Answers: 1, Lost: 1, In: 10, Out: 20}}))
	golden.Check(t, "listen.golden", got.String())
}

func TestSpans(t *testing.T) {
	var addrs []netip.AddrPort
	for _, a := range []string{"127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.2:9003", "[::1]:7", "127.0.0.2:9004", "127.0.0.2:9006"} {
		addrs = append(addrs, netip.MustParseAddrPort(a))
	}
	if got := strings.Join(spans(addrs), " "); got != "127.0.0.1:9000-9002 127.0.0.2:9003 [::1]:7 127.0.0.2:9004 127.0.0.2:9006" {
		t.Error(got)
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 9999: "9999 B", 10000: "10 kB", 1234567: "1.23 MB", 1e9: "1 GB", 5e12: "5 TB", 7e15: "7e+03 TB"} {
		if got := octets(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
