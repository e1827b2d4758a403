package conversation

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/capture"
	"github.com/dialscope/dialscope/internal/tcpstate"
	"github.com/dialscope/dialscope/internal/testcapture"
)

// played is a capture that was prepared: batches, and what it lost before each.
type played struct {
	batches [][]capture.Frame
	lost    []uint64
	at      int
	fails   error
}

func (p *played) Read(time.Time) ([]capture.Frame, error) {
	if p.at == len(p.batches) {
		if p.fails != nil {
			return nil, p.fails
		}
		return nil, os.ErrDeadlineExceeded // interrupted
	}
	p.at++
	return p.batches[p.at-1], nil
}

func (p *played) Stats() (capture.Stats, error) {
	var s capture.Stats
	for _, n := range p.lost[:min(p.at, len(p.lost))] {
		s.Dropped += n
	}
	return s, nil
}

// frames are a script's packets as an interface shows them, the script having
// begun so long ago.
func frames(ifindex int, ago time.Duration, lines string, port uint16) (all []capture.Frame) {
	began := time.Now().Add(-ago)
	for _, p := range testcapture.Packets(testcapture.Script{Lines: lines, Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port)}) {
		all = append(all, capture.Frame{At: began.Add(p.At - testcapture.Epoch), Interface: ifindex, Data: p.Data, Length: len(p.Data), Direction: capture.Out})
	}
	return all
}

// watched runs a live reading and gives its events: "40000 ended open".
func watched(t *testing.T, r *Reading, from Packets, l Lines) (events []string, err error) {
	t.Helper()
	r.Each = func(r *Report) error {
		again := ""
		if r.Again {
			again = " again"
		}
		events = append(events, fmt.Sprintf("%d %s %s%s", netip.AddrPort(r.Initiator).Port(), r.Event, r.Cause, again))
		return nil
	}
	r.Start(1)
	err = r.Live(from, time.Time{}, l)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return events, err
}

const stands = `
0     > S 0
0.010 < S. 0 ack 1
0.011 > . 1 ack 1
0.012 > P. 1:11 ack 1
0.022 < . 1 ack 11`

func TestLive(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		ago         time.Duration
		want        string
	}{
		{"opened and ended long since", testcapture.Open, 10 * time.Second, "1 ended open"},
		{"ended just now: told when the capture ends", testcapture.Open, 100 * time.Millisecond, "1 ended open"},
		{"refused", testcapture.Refused, 10 * time.Second, "1 ended port-closed"},
		{"it stands", stands, 10 * time.Second, "1 opened open, 1 left open again"},
		{"it was opened just now", stands, 100 * time.Millisecond, "1 left open"},
		{"nobody answers", testcapture.Silent, 5 * time.Second, "1 asking host-silent, 1 left host-silent again"},
		{"two SYNs", "0 > S 0\n1 > S 0", 3 * time.Second, "1 left host-silent"},
		{"nobody answered", testcapture.Silent, time.Hour, "1 asking host-silent, 1 silent host-silent again"},
		{"a forged RST is told with what follows it", testcapture.ForgedReset, 10 * time.Second, "1 ended path-firewall-reset"},
		{"it began before", "0 > P. 1:11 ack 1\n0.1 < . 1 ack 11", 10 * time.Second, "1 left "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := new(Reading)
			events, err := watched(t, r, &played{batches: [][]capture.Frame{frames(1, c.ago, c.lines, 1)}}, Lines{})
			text := strings.Join(events, ", ")
			if strings.Contains(c.want, "host-silent") { // what silence means is another test's
				text = silence.Replace(text)
			}
			if err != nil || text != c.want {
				t.Errorf("%s, %v\nwant %s", text, err, c.want)
			}
			if r.Summary.Connections != 1 || r.Summary.Wanted != 1 {
				t.Errorf("%+v", r.Summary)
			}
		})
	}
}

var silence = strings.NewReplacer("path-firewall-drop", "host-silent", "host-firewall-drop", "host-silent")

// Every connection is told once at its end, also when its ports are used again
// at once.
func TestLivePortReuse(t *testing.T) {
	second := strings.NewReplacer(" S 0", " S 900000", " S. 0 ack 1", " S. 900000 ack 900001", " . 1 ack 1", " . 900001 ack 900001").Replace("0 > S 0\n0.01 < S. 0 ack 1\n0.011 > . 1 ack 1")
	r := new(Reading)
	events, err := watched(t, r, &played{batches: [][]capture.Frame{
		frames(1, 5*time.Second, testcapture.Open, 1), frames(1, 4*time.Second, second, 1),
	}}, Lines{})
	if want := []string{"1 ended open", "1 opened open", "1 left open again"}; err != nil || !slices.Equal(events, want) {
		t.Errorf("%q, %v, want %q", events, err, want)
	}
	r = new(Reading)
	events, _ = watched(t, r, &played{batches: [][]capture.Frame{
		append(frames(1, 500*time.Millisecond, testcapture.Open, 1), frames(1, 300*time.Millisecond, second, 1)...),
	}}, Lines{})
	if want := []string{"1 ended open", "1 left open"}; !slices.Equal(events, want) {
		t.Errorf("%q, want %q", events, want)
	}
}

// What a bridge or router shows on two interfaces counts once; what one
// interface shows twice was sent twice.
func TestLiveCopies(t *testing.T) {
	first, second := frames(1, 10*time.Second, testcapture.Open, 1), frames(2, 10*time.Second-time.Millisecond, testcapture.Open, 1)
	var both []capture.Frame
	for i := range first {
		both = append(both, first[i], second[i])
	}
	r := new(Reading)
	events, _ := watched(t, r, &played{batches: [][]capture.Frame{both}}, Lines{})
	if !slices.Equal(events, []string{"1 ended open"}) || r.Summary.Copies != uint64(len(second)) || r.Summary.Segments != uint64(len(first)) {
		t.Errorf("%q, %d copies, %d segments", events, r.Summary.Copies, r.Summary.Segments)
	}
	lost := frames(1, 10*time.Second, testcapture.Lost, 1)
	r = new(Reading)
	if events, _ = watched(t, r, &played{batches: [][]capture.Frame{lost}}, Lines{}); !slices.Equal(events, []string{"1 ended packet-loss"}) || r.Summary.Copies != 0 {
		t.Errorf("%q, %d copies", events, r.Summary.Copies)
	}
}

// Losses are told as they happen, and counted; every frame passes the keeper.
func TestLiveLosses(t *testing.T) {
	r := new(Reading)
	var lost []uint64
	kept := 0
	_, err := watched(t, r, &played{batches: [][]capture.Frame{frames(1, time.Second, testcapture.Open, 1), nil}, lost: []uint64{5, 2}}, Lines{
		Lost:  func(n uint64) { lost = append(lost, n) },
		Frame: func(*capture.Frame) error { kept++; return nil },
	})
	total := uint64(0)
	for _, n := range lost {
		total += n
	}
	if err != nil || total != 7 || r.Summary.Dropped != 7 || kept != 10 {
		t.Errorf("lost %v, %d in the sum, %d frames kept, %v", lost, r.Summary.Dropped, kept, err)
	}
}

// A failure of the source, of the keeper or of the writer ends the reading.
func TestLiveFails(t *testing.T) {
	fails := errors.New("it fails")
	if _, err := watched(t, new(Reading), &played{fails: fails}, Lines{}); !errors.Is(err, fails) {
		t.Error(err)
	}
	batch := [][]capture.Frame{frames(1, 10*time.Second, testcapture.Open, 1)}
	if _, err := watched(t, new(Reading), &played{batches: batch}, Lines{Frame: func(*capture.Frame) error { return fails }}); !errors.Is(err, fails) {
		t.Error(err)
	}
	r := &Reading{Each: func(*Report) error { return fails }}
	r.Start(1)
	if err := r.Live(&played{batches: batch}, time.Time{}, Lines{}); !errors.Is(err, fails) {
		t.Error(err)
	}
}

// Filters choose live as they choose in files.
func TestLiveWanted(t *testing.T) {
	batch := append(frames(1, 10*time.Second, testcapture.Open, 1), frames(1, 10*time.Second, testcapture.Refused, 2)...)
	r := &Reading{Wanted: Wanted{Failed: true}}
	if events, _ := watched(t, r, &played{batches: [][]capture.Frame{batch}}, Lines{}); !slices.Equal(events, []string{"2 ended port-closed"}) {
		t.Errorf("%q", events)
	}
}

// VLAN tags that the kernel took away are told all the same.
func TestLiveTags(t *testing.T) {
	batch := frames(1, 10*time.Second, testcapture.Refused, 1)
	for i := range batch {
		batch[i].VLANs = [3]uint16{7, 0, 0}
	}
	var tunnel []string
	r := &Reading{Each: func(r *Report) error { tunnel = r.Tunnel; return nil }}
	r.Start(1)
	if err := r.Live(&played{batches: [][]capture.Frame{batch}}, time.Time{}, Lines{}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tunnel, []string{"VLAN 7"}) {
		t.Errorf("%q", tunnel)
	}
	_ = r.End()
}

// Time that passes without a packet lets what is over go.
func TestAdvance(t *testing.T) {
	r := new(Reading)
	if _, err := watched(t, r, &played{batches: [][]capture.Frame{frames(1, 2*tcpstate.TwoMSL, testcapture.Open, 1), nil}}, Lines{
		Idle: func() error {
			if n := r.tracker.Open(); n != 0 {
				t.Errorf("%d still followed", n)
			}
			return nil
		},
	}); err != nil {
		t.Fatal(err)
	}
}
