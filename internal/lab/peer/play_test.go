package peer_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/lab/peer"
	"github.com/dialscope/dialscope/internal/wire"
)

// played wants a script to have come to its end.
func played(t *testing.T, text string, act func(*kernel)) *peer.Transcript {
	t.Helper()
	transcript, err := rehearse(t, text, act)
	if err != nil {
		t.Errorf("%v\n%v", err, transcript)
	}
	return transcript
}

func TestHandshakeDataAndEnd(t *testing.T) {
	transcript := played(t, `
		host 192.0.2.1
		expect SYN port 80
		after 50ms send SYN+ACK mss 1460 wscale 7
		expect ACK
		send data "hello"
		expect data len 3
		send FIN+ACK
	`, func(k *kernel) {
		k.send(syn("192.0.2.1"))
		k.pass(50 * ms)
		synack := segment(wire.SYN|wire.ACK, iss, isn+1, "")
		synack.Options = wire.Options{wire.MSS(1460), wire.WScale(7)}
		k.want(synack)
		k.send(tcp("192.0.2.1", wire.ACK, isn+1, iss+1, ""))
		k.want(segment(wire.PSH|wire.ACK, iss+1, isn+1, "hello"))
		k.send(tcp("192.0.2.1", wire.ACK|wire.PSH, isn+1, iss+6, "bye"))
		k.want(segment(wire.FIN|wire.ACK, iss+6, isn+4, ""))
		k.pass(time.Hour)
		k.send(syn("192.0.2.1")) // the steps are over: ignored
		k.quiet()
	})
	want := strings.Split(`0.000000 > IP 192.0.2.2.1024 > 192.0.2.1.80: Flags [S], seq 7000, win 64240, length 0  # line 3: expect SYN port 80
 0.050000 < IP 192.0.2.1.80 > 192.0.2.2.1024: Flags [S.], seq 1000000, ack 7001, win 65535, options [mss 1460,wscale 7], length 0  # line 4`, "\n")
	lines := strings.Split(transcript.String(), "\n")
	for i, w := range want {
		if strings.TrimSpace(lines[i]) != strings.TrimSpace(w) {
			t.Errorf("transcript:\n%s\nwant\n%s", lines[i], w)
		}
	}
}

func TestNumbers(t *testing.T) {
	played(t, `
		host 192.0.2.1
		expect SYN seq isn
		send SYN+ACK ack +100
		send SYN+ACK
		send ACK ack 5 seq 6
		send ACK ack isn+9 seq isn-1
		send ACK seq -1
		send RST
		send RST+ACK seq +1
		expect ACK ack +0 seq +0
		expect ACK ack -1 seq isn+2
		expect ACK ack isn+1
	`, func(k *kernel) {
		k.send(syn("192.0.2.1"))
		k.want(segment(wire.SYN|wire.ACK, iss, isn+100, ""))
		k.want(segment(wire.SYN|wire.ACK, iss, isn+1, ""))
		k.want(segment(wire.ACK, 6, 5, ""))
		k.want(segment(wire.ACK, iss-1, isn+9, ""))
		k.want(segment(wire.ACK, iss, isn+1, ""))
		k.want(segment(wire.RST, iss+1, 0, ""))
		k.want(segment(wire.RST|wire.ACK, iss+2, isn+1, ""))
		k.send(tcp("192.0.2.1", wire.ACK, isn+1, iss+1, ""))
		k.send(tcp("192.0.2.1", wire.ACK, isn+2, iss, ""))
		k.send(tcp("192.0.2.1", wire.ACK, isn+2, iss+1, ""))
	})
}

// What comes while nothing waits for it is kept for the next expect.
func TestArrivalsDuringADelayAreKept(t *testing.T) {
	played(t, `
		host 192.0.2.1
		expect SYN
		after 1s send SYN+ACK
		expect ACK within 100ms
	`, func(k *kernel) {
		k.send(syn("192.0.2.1"))
		k.pass(500 * ms)
		k.send(tcp("192.0.2.1", wire.ACK, isn+1, iss+1, ""))
		k.pass(500 * ms)
		k.want(segment(wire.SYN|wire.ACK, iss, isn+1, ""))
	})
}

// A lost segment is not acknowledged.
func TestLostIsNotTakenIn(t *testing.T) {
	played(t, `
		host 192.0.2.1
		expect SYN
		send SYN+ACK
		ignore 2 data
		send ACK
		expect data
		send ACK
	`, func(k *kernel) {
		k.send(syn("192.0.2.1"))
		k.next()
		for range 2 {
			k.quiet()
			k.send(tcp("192.0.2.1", wire.ACK, isn+1, iss+1, "abc"))
		}
		k.want(segment(wire.ACK, iss+1, isn+1, ""))
		k.send(tcp("192.0.2.1", wire.ACK, isn+1, iss+1, "abc"))
		k.want(segment(wire.ACK, iss+1, isn+4, ""))
	})
}

func TestRepeatReversedAndTimes(t *testing.T) {
	played(t, `
		host 192.0.2.1
		repeat 2 { expect SYN; after 1s send RST+ACK twice }
		expect SYN
		reversed { send data "a" times 2; send data "bc" }
		end
	`, func(k *kernel) {
		for range 2 {
			k.send(syn("192.0.2.1"))
			k.pass(time.Second)
			k.want(segment(wire.RST|wire.ACK, 0, isn+1, ""))
			k.want(segment(wire.RST|wire.ACK, 0, isn+1, ""))
		}
		k.send(syn("192.0.2.1"))
		k.want(segment(wire.PSH|wire.ACK, iss+1, isn+1, "bc"))
		k.want(segment(wire.PSH|wire.ACK, iss, isn+1, "a"))
		k.want(segment(wire.PSH|wire.ACK, iss, isn+1, "a"))
		<-k.ended // "end" does not wait for the context
	})
}

// A peer that is the one to begin.
func TestPeerBegins(t *testing.T) {
	played(t, `
		host 192.0.2.1
		send SYN to 192.0.2.2:22 port 5000
		expect SYN+ACK port 5000
		send ACK
	`, func(k *kernel) {
		want := &wire.Segment{SrcPort: 5000, DstPort: 22, Flags: wire.SYN, Seq: iss, Window: 0xffff}
		k.want(want)
		answer := &wire.Segment{SrcPort: 22, DstPort: 5000, Flags: wire.SYN | wire.ACK, Seq: isn, Ack: iss + 1}
		k.send(wire.Packet{IP: from("192.0.2.1"), Transport: answer})
		want.Flags, want.Seq, want.Ack = wire.ACK, iss+1, isn+1
		k.want(want)
	})
}

func TestIdleReset(t *testing.T) {
	played(t, `
		host 192.0.2.1
		idle reset
		on SYN port 80 send SYN+ACK
	`, func(k *kernel) {
		// RFC 9293 §3.10.7.1: "If the ACK bit is off, sequence number zero is
		// used, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>".
		k.send(tcp("192.0.2.1", wire.FIN, isn, 0, "xyz"))
		k.want(segmentWindow0(wire.RST|wire.ACK, 0, isn+4))
		// "If the ACK bit is on, <SEQ=SEG.ACK><CTL=RST>".
		k.send(tcp("192.0.2.1", wire.ACK, isn, 99, ""))
		k.want(segmentWindow0(wire.RST, 99, 0))
		k.send(tcp("192.0.2.1", wire.RST, isn, 0, ""))
		k.send(wire.Packet{IP: from("192.0.2.1"), Transport: &wire.Datagram{SrcPort: 1, DstPort: 2}})
		k.send(syn("192.0.2.9")) // nobody's address
		k.quiet()
	})
}

func segmentWindow0(flags wire.Flags, seq, ack uint32) *wire.Segment {
	s := segment(flags, seq, ack, "")
	s.Window = 0
	return s
}

func TestUnmet(t *testing.T) {
	for _, c := range []struct {
		name, script, why string
		line              int
		act               func(*kernel)
	}{
		{"too late", "host 192.0.2.1\nexpect SYN within 1s", "nothing came in time", 2, func(k *kernel) {
			k.send(tcp("192.0.2.1", wire.ACK, 1, 1, "")) // not what is wanted
			k.pass(1100 * ms)
		}},
		{"too early", "host 192.0.2.1\n\nexpect SYN within 1s..2s", "it came 500ms after the step before", 3, func(k *kernel) {
			k.pass(500 * ms)
			k.send(syn("192.0.2.1"))
		}},
		{"unwanted", "host 192.0.2.1\nexpect no SYN for 1s", "one came", 2, func(k *kernel) {
			k.pass(900 * ms)
			k.send(syn("192.0.2.1"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			transcript, err := rehearse(t, c.script, func(k *kernel) {
				c.act(k)
				<-k.ended
			})
			var unmet *peer.UnmetError
			if !errors.As(err, &unmet) || unmet.Line != c.line || unmet.Why != c.why {
				t.Errorf("%v\n%v", err, transcript)
			}
		})
	}
	if _, err := rehearse(t, "host 192.0.2.1\nexpect no SYN for 1s", func(k *kernel) {
		k.pass(time.Second + ms)
		k.send(syn("192.0.2.1"))
	}); err != nil {
		t.Error(err)
	}
}

func TestUnfinished(t *testing.T) {
	for script, line := range map[string]int{
		"host 192.0.2.1\nexpect SYN\nexpect ACK": 3, "host 192.0.2.1\nexpect SYN\nafter 1h send RST": 3,
		"host 192.0.2.1\nexpect SYN\nwait 1h": 3, "host 192.0.2.1\nignore 2 SYN": 2,
	} {
		_, err := rehearse(t, script, func(k *kernel) { k.send(syn("192.0.2.1")) })
		var unfinished *peer.UnfinishedError
		if !errors.As(err, &unfinished) || unfinished.Line != line || !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestSendToNobody(t *testing.T) {
	for script, want := range map[string]string{
		"host 192.0.2.1\nsend SYN":                                           "line 2: send: nobody has asked",
		"host 192.0.2.1\nexpect SYN\nsend SYN+ACK from 2001:db8::1":          "line 3: send: from 2001:db8::1 to 192.0.2.2: not of one family",
		"host 192.0.2.1\nexpect SYN\nsend echo-reply":                        "line 3: send: what was captured is no echo request",
		"host 192.0.2.1\nexpect SYN\nsend icmp no-route":                     "line 3: send: ICMP has no message no-route",
		"host 192.0.2.1\nsend icmp host-unreachable to 192.0.2.2:80 port 80": "line 2: send: nothing was captured that it could quote",
	} {
		_, err := rehearse(t, script, func(k *kernel) {
			if strings.Contains(script, "expect") {
				k.send(syn("192.0.2.1"))
			}
			<-k.ended
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", script, err, want)
		}
	}
}

// A device that is closed ends the playing.
func TestDeviceCloses(t *testing.T) {
	_, err := rehearse(t, "host 192.0.2.1\nexpect SYN", func(k *kernel) {
		k.pipe.Close()
		<-k.ended
	})
	if err == nil {
		t.Error("no error")
	}
}

func TestAddrs(t *testing.T) {
	s, err := peer.Parse("router 198.51.100.1\nhost 192.0.2.1 2001:db8::1\nhost 192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.7")}
	got := s.Addrs()
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v", got)
	}
}
