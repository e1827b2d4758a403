package probe

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// Segments made by hand are answered as RFC 9293 says, and only their own
// answers are read.
func TestSegmentsMadeByHand(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	c := chain(t, 1)
	for _, ends := range [][2]netip.Addr{{c.Client4, c.Server4}, {c.Client6, c.Server6}} {
		full, err := c.Server.ListenBacklog(netip.AddrPortFrom(ends[1], 82), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		held, err := c.Client.DialContext(t.Context(), "tcp", full.Addr().String()) // a queue of 0 holds one
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		for _, tt := range []struct {
			form   string
			port   uint16
			answer string
		}{
			{evidence.FormPlain, 80, evidence.AnswerSYNACK},
			{evidence.FormPlain, 81, evidence.AnswerRST},
			{evidence.FormPlain, 82, ""},
			{evidence.FormACK, 80, evidence.AnswerRST},
			{evidence.FormACK, 81, evidence.AnswerRST},
			{evidence.FormACK, 82, evidence.AnswerRST},
		} {
			t.Run(fmt.Sprint(ends[1], tt.form, tt.port), func(t *testing.T) {
				s := shot{experiment: "x", protocol: tcp, to: netip.AddrPortFrom(ends[1], tt.port), form: tt.form}
				p := fire(t, c.Client, Way{Source: ends[0]}, 60*time.Millisecond, s)[0]
				if p.Answer != tt.answer || p.Form != tt.form || p.Sent != 1 || p.Errno != "" {
					t.Errorf("%+v, want %q", p, tt.answer)
				}
				if tt.answer != "" && (p.From != ends[1] || p.RTT <= 0) {
					t.Errorf("%+v, want the answer from %v", p, ends[1])
				}
			})
		}
	}
}

// An ICMP error about a segment made by hand is read as about any other.
func TestErrorAboutASegmentMadeByHand(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	c := chain(t, 2)
	s := shot{experiment: "x", protocol: tcp, to: netip.AddrPortFrom(c.Server4, 80), form: evidence.FormPlain, ttl: 1}
	p := fire(t, c.Client, Way{Source: c.Client4}, time.Second, s)[0]
	if !p.Expired() || p.From != c.Hops4[0] {
		t.Errorf("%+v, want time exceeded from %v", p, c.Hops4[0])
	}
}

// A raw socket hears of errors about other segments, too: they are not its own.
func TestErrorsAboutOthersAreNotRead(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	c := chain(t, 2)
	if _, err := c.Server.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP, Dport: 80}, Verdict: netns.Drop()}); err != nil {
		t.Fatal(err)
	}
	for _, ends := range [][2]netip.Addr{{c.Client4, c.Server4}, {c.Client6, c.Server6}} {
		to := netip.AddrPortFrom(ends[1], 80)
		all := fire(t, c.Client, Way{Source: ends[0]}, 100*time.Millisecond,
			shot{experiment: "x", protocol: tcp, to: to, form: evidence.FormPlain}, shot{experiment: "x", protocol: tcp, to: to, ttl: 1},
			shot{experiment: "x", protocol: tcp, to: to, form: evidence.FormACK}, shot{experiment: "x", protocol: tcp, to: to, ttl: 2, form: evidence.FormACK})
		for i, want := range []string{"", evidence.AnswerICMP, "", evidence.AnswerICMP} {
			if all[i].Answer != want || all[i].Errno != "" {
				t.Errorf("%d: %+v, want %q", i, all[i], want)
			}
		}
	}
}

func TestSegmentNotSent(t *testing.T) {
	testmain.Need(t, "netns", "raw")
	c := chain(t, 0)
	s := shot{experiment: "x", protocol: tcp, to: netip.AddrPortFrom(c.Server4, 80), form: evidence.FormACK}
	if p := fire(t, c.Client, Way{Source: netip.MustParseAddr("198.18.0.9")}, time.Millisecond, s)[0]; p.Sent != 0 || p.Errno != "EADDRNOTAVAIL" {
		t.Errorf("%+v, want EADDRNOTAVAIL", p)
	}
}

func TestAnswerOf(t *testing.T) {
	for _, b := range [][]byte{nil, {0x45}, make([]byte, 19), make([]byte, 30)} {
		for _, v6 := range []bool{false, true} {
			if got := answerOf(b, v6); got != "" {
				t.Errorf("%d octets are %q", len(b), got)
			}
		}
	}
}
