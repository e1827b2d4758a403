package story

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/frame"
	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/testcapture"
)

// read gives the only connection of a script.
func read(t *testing.T, lines string, rungs int) (*conversation.Report, *conversation.Summary) {
	t.Helper()
	var only *conversation.Report
	r := &conversation.Reading{Rungs: rungs, Each: func(r *conversation.Report) error {
		only = r
		return nil
	}}
	r.Start(1)
	if _, err := r.File(bytes.NewReader(testcapture.Pcap(testcapture.Script{Lines: lines})), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return only, &r.Summary
}

var samples = []struct{ name, lines string }{
	{"open", testcapture.Open},
	{"refused", testcapture.Refused},
	{"prohibited", testcapture.Prohibited},
	{"lost", testcapture.Lost},
	{"forged", testcapture.ForgedReset},
}

func TestStories(t *testing.T) {
	for _, c := range samples {
		r, _ := read(t, c.lines, 100)
		style := terminal.Style{Width: 80, Unicode: true}
		golden.Check(t, c.name+".80.golden", Line(style, r)+Details(style, r)+"\n"+Ladder(style, r))
		golden.Check(t, c.name+".132.golden", Ladder(terminal.Style{Width: 132}, r))
		golden.Check(t, c.name+".svg", SVG(r))
	}
}

// Prose and drawings stay within the width they were given.
func TestWidth(t *testing.T) {
	for _, c := range samples {
		r, _ := read(t, c.lines, 100)
		for _, width := range []int{70, 80, 100, 132, 200} {
			style := terminal.Style{Width: width, Unicode: true, Colour: true}
			for line := range strings.Lines(Line(style, r) + Details(style, r) + Ladder(style, r)) {
				if n := terminal.Columns(strings.TrimRight(line, "\n ")); n > width {
					t.Errorf("%s: %d columns of %d: %s", c.name, n, width, line)
				}
			}
		}
	}
}

func TestASCII(t *testing.T) {
	for _, c := range samples {
		r, sum := read(t, c.lines, 100)
		style := terminal.Style{Width: 80}
		for _, letter := range Line(style, r) + Details(style, r) + Ladder(style, r) + Summary(style, sum, title) {
			if letter >= 0x80 {
				t.Errorf("%s: %q in plain ASCII", c.name, letter)
			}
		}
	}
}

// A drawing is well-formed XML and draws every packet.
func TestSVG(t *testing.T) {
	for _, c := range samples {
		r, _ := read(t, c.lines, 100)
		r.Tunnel = []string{`"<&>"`}
		r.Ladder[0].Meaning = `<script>"&`
		drawing := SVG(r)
		decoder := xml.NewDecoder(strings.NewReader(drawing))
		arrows := 0
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if e, is := token.(xml.StartElement); is {
				if e.Name.Local == "script" {
					t.Error("a packet's text became an element")
				}
				for _, a := range e.Attr {
					if a.Name.Local == "class" && a.Value == "packet" {
						arrows++
					}
				}
			}
		}
		if arrows != len(r.Ladder) {
			t.Errorf("%s: %d arrows, %d packets", c.name, arrows, len(r.Ladder))
		}
	}
}

func title(id cause.ID) string {
	e, _ := cause.Lookup(id)
	return e.Title
}

func TestSummary(t *testing.T) {
	sum := &conversation.Summary{Frames: 1000, Segments: 900, First: time.Hour, Last: 2 * time.Hour, Connections: 120, Wanted: 100, GivenUp: 2, Limit: 1 << 21, StrayICMP: 1, Dropped: 3,
		Causes: map[cause.ID]uint64{cause.IsOpen: 60, cause.PortClosed: 30, cause.PacketLoss: 5}, Unjudged: 5,
		Handshakes: map[string]uint64{"complete": 65, "refused": 30, "midstream": 5}, Endings: map[string]uint64{"fin-both": 70, "reset": 30},
		Skipped: []frame.Skipped{{What: "ARP", Frames: 60, Other: true}, {What: "EtherType 0x1234", Frames: 40}}}
	for i := range 60 {
		sum.RTT.Add(time.Duration(i*i) * 100 * time.Microsecond)
	}
	golden.Check(t, "summary.golden", Summary(terminal.Style{Width: 80, Unicode: true}, sum, title))
	if empty := Summary(terminal.Style{}, new(conversation.Summary), title); empty != "0 connections, 0 frames, 0 of them belong to TCP; 0 ns\n" {
		t.Errorf("nothing was read: %q", empty)
	}
}
