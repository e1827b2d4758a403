package peer_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon is what a busy machine may add to something that happens at once.
const soon = 700 * ms

// exchange is a script and what the kernel makes of it.
type exchange struct {
	name    string
	script  string
	sysctls []string
	to      string          // 192.0.2.1:80 if empty
	set     func(int) error // socket options
	errno   syscall.Errno
	after   time.Duration // the connect takes at least so long, and not soon longer
	then    func(t *testing.T, s *stage, r result)
}

func (x exchange) run(t *testing.T) {
	t.Parallel()
	s := perform(t, x.script, x.sysctls...)
	to := x.to
	if to == "" {
		to = "192.0.2.1:80"
	}
	var set []func(int) error
	if x.set != nil {
		set = append(set, x.set)
	}
	r := s.connect(to, patience, set...)
	r.want(t, x.errno, x.after, x.after+soon)
	if x.then != nil && !t.Failed() {
		x.then(t, s, r)
	}
	s.played()
}

const host = "host 192.0.2.1\n"

// The table "Seen on this kernel with a scripted remote peer".
func TestExchanges(t *testing.T) {
	for _, x := range []exchange{
		{name: "RST+ACK", errno: syscall.ECONNREFUSED, after: 20 * ms, script: host + `
			expect SYN port 80
			after 20ms send RST+ACK
			end`},
		{name: "RST+ACK with SYN", errno: syscall.ECONNREFUSED, after: 20 * ms, script: host + `
			expect SYN port 80
			after 20ms send RST+SYN+ACK
			end`},
		{name: "RST without ACK", after: 1000 * ms, script: ignored("RST")},
		{name: "RST with SYN, without ACK", after: 1000 * ms, script: ignored("RST+SYN")},
		{name: "FIN", after: 1000 * ms, script: ignored("FIN")},
		{name: "bare ACK", after: 1000 * ms, script: ignored("ACK ack +1")},
		{name: "no flags", after: 1000 * ms, script: ignored("NONE")},
		{name: "RST with a wrong acknowledgement", script: wrongAck("RST+ACK")},
		{name: "SYN-ACK with a wrong acknowledgement", script: wrongAck("SYN+ACK")},
		{name: "bare ACK with a wrong acknowledgement", script: wrongAck("ACK")},
		{name: "simultaneous open", after: 20 * ms, script: host + `
			expect SYN port 80
			after 20ms send SYN mss 1460 sack wscale 2
			expect SYN+ACK seq isn+0 ack isn+1 within 1s
			send SYN+ACK mss 1460 sack wscale 2
			expect ACK
			end`},
		{name: "SYN-ACK with data", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460 data "early "
			expect ACK ack isn+1         # not taken: it must be sent again
			send data "early " seq isn+1
			send data "late"
			send FIN+ACK
			end`, then: reads("early late", nil)},
		{name: "RST after the SYN-ACK, in window", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			after 50ms send RST+ACK
			end`, then: reads("", syscall.ECONNRESET)},
		{name: "RST after the SYN-ACK, not next in window", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			send RST seq +100
			expect ACK seq isn+1 ack isn+1 within 1s
			send data "still open"
			send FIN+ACK
			end`, then: reads("still open", nil)},
		{name: "RST after the SYN-ACK, out of window", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			send RST seq -1000
			expect no any for 200ms
			send data "still open"
			send FIN+ACK
			end`, then: reads("still open", nil)},
		{name: "SYN with ECN dropped", after: 1000 * ms, sysctls: []string{"net.ipv4.tcp_ecn", "1"}, script: host + `
			on SYN+ECE+CWR ignore
			expect SYN without ECE+CWR
			send SYN+ACK mss 1460
			expect ACK
			end`},
		{name: "ICMP with a wrong sequence", after: 1000 * ms, script: ignored("icmp host-unreachable quote seq +1000")},
		{name: "ICMP that quotes another port", after: 1000 * ms, script: ignored("icmp host-unreachable quote port 81")},
		{name: "ICMP when established", script: host + `
			expect SYN port 80
			send SYN+ACK mss 1460
			expect ACK
			after 100ms send icmp host-unreachable
			after 50ms send data "still open"
			send FIN+ACK
			end`, then: reads("still open", nil)},
		// Six retransmissions and four linear ones are allowed, but the modelled time of
		// six, 7 s with pauses of at most 1 s, is over before (tcp_model_timeout).
		{name: "silence, modelled time", errno: syscall.ETIMEDOUT, after: 7 * time.Second,
			sysctls: []string{"net.ipv4.tcp_rto_max_ms", "1000"}, script: host + `
			expect SYN port 80
			repeat 6 { expect SYN within 600ms..1600ms }
			expect no any for 900ms
			end`},
		// By default the SYN is sent again after 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s.
		{name: "silence, pauses by default", errno: syscall.ETIMEDOUT, after: 9 * time.Second, set: userTimeout(9 * time.Second), script: host + `
			expect SYN port 80
			repeat 5 { expect SYN within 600ms..1600ms }
			expect SYN within 1600ms..2700ms
			end`},
		{name: "silence, two linear", errno: syscall.ETIMEDOUT, after: 7 * time.Second, set: synCount(2), script: host + `
			expect SYN port 80
			repeat 5 { expect SYN within 600ms..1600ms }
			expect no any for 1900ms
			end`},
		{name: "silence, one", errno: syscall.ETIMEDOUT, after: 3 * time.Second, set: synCount(1), script: host + `
			expect SYN port 80
			repeat 2 { expect SYN within 600ms..1600ms }
			end`},
		{name: "silence, doubling at once", errno: syscall.ETIMEDOUT, after: 7 * time.Second,
			sysctls: []string{"net.ipv4.tcp_syn_linear_timeouts", "0", "net.ipv4.tcp_syn_retries", "2"}, script: host + `
			expect SYN port 80
			expect SYN within 600ms..1600ms
			expect SYN within 1600ms..2700ms
			end`},
		{name: "silence, user timeout", errno: syscall.ETIMEDOUT, after: 2500 * ms, set: userTimeout(2500 * ms), script: host + `
			ignore 3 SYN port 80
			end`},
	} {
		t.Run(x.name, x.run)
	}
}

// ignored answers with something that the kernel does not take in SYN_SENT.
func ignored(what string) string {
	return host + `
		expect SYN port 80
		send ` + what + `
		expect SYN within 600ms..1600ms
		send SYN+ACK mss 1460
		expect ACK
		end`
}

// wrongAck makes the kernel send its SYN again without waiting for its timer.
func wrongAck(flags string) string {
	reset := "expect RST seq isn+1000\n"
	if strings.HasPrefix(flags, "RST") {
		reset = "" // a RST is not answered with one
	}
	return host + `
		expect SYN port 80
		send ` + flags + ` ack +1000
		` + reset + `
		expect SYN seq isn within 200ms
		send SYN+ACK mss 1460
		expect ACK
		end`
}

// reads wants the connection to give a text and then end with an errno, nil for
// the end of the stream.
func reads(text string, errno error) func(*testing.T, *stage, result) {
	return func(t *testing.T, _ *stage, r result) {
		t.Helper()
		r.conn.SetReadDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(r.conn)
		if !errors.Is(err, errno) {
			t.Errorf("read: %v, want %v", err, errno)
		}
		if !bytes.Equal(got, []byte(text)) {
			t.Errorf("read %q, want %q", got, text)
		}
	}
}

func synCount(n int) func(int) error {
	return func(fd int) error {
		return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_SYNCNT, n))
	}
}

func userTimeout(d time.Duration) func(int) error {
	const tcpUserTimeout = 18 // TCP_USER_TIMEOUT, linux/tcp.h
	return func(fd int) error {
		return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpUserTimeout, int(d/ms)))
	}
}

// A SYN-ACK that comes after the deadline finds no socket, and is answered with RST.
func TestSYNACKAfterTheDeadline(t *testing.T) {
	t.Parallel()
	s := perform(t, host+`
		expect SYN port 80
		after 600ms send SYN+ACK mss 1460
		expect RST seq isn+1 within 1s
		end`)
	r := s.connect("192.0.2.1:80", 300*ms)
	var timeout net.Error
	if !errors.As(r.err, &timeout) || !timeout.Timeout() {
		t.Errorf("connect: %v, want the deadline", r.err)
	}
	s.played()
}
