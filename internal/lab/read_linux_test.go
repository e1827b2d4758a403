package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/lab"
	"github.com/dialscope/dialscope/internal/testmain"
)

// judged is what the dial's document says of each address.
type judged struct {
	Address netip.AddrPort `json:"address"`
	cause.Verdict
}

// What passed the client's interfaces while a scenario was dialed, read back:
// wherever the packets can tell, they tell what the dial did.
func TestReadBack(t *testing.T) {
	eachCapture(t, func(t *testing.T, c *conversation.Report, attempts []judged, truth lab.Truth) {
		agree(t, c, attempts, truth)
	}, "client")
}

// Captures of the other hosts tell less, and nothing wrong for certain. That a
// connection is open says of a capture that it has the whole handshake.
func TestReadElsewhere(t *testing.T) {
	eachCapture(t, func(t *testing.T, c *conversation.Report, attempts []judged, truth lab.Truth) {
		if c.Confidence != cause.Certain || c.Cause == cause.IsOpen || c.Cause == truth.Cause || slices.Contains(truth.Also, c.Cause) ||
			slices.ContainsFunc(attempts, func(a judged) bool { return a.Cause == c.Cause }) {
			return
		}
		t.Errorf("%s to %s, %s: the packets say %s for certain, the truth is %s", c.Initiator, c.Responder, c.Handshake, c.Cause, truth.Cause)
	}, "r1", "server")
}

// eachCapture runs every scenario and reads what passed one of its hosts, the
// attempt's own packets alone.
func eachCapture(t *testing.T, check func(*testing.T, *conversation.Report, []judged, lab.Truth), hosts ...string) {
	testmain.Need(t, "netns")
	all, err := lab.Library()
	if err != nil {
		t.Fatal(err)
	}
	room := make(chan struct{}, 20)
	for _, s := range all {
		for _, host := range hosts {
			if !slices.ContainsFunc(s.Plan.Hosts, func(h lab.PlanHost) bool { return h.Name == host && !h.Scripted }) {
				continue
			}
			name := s.Name
			if len(hosts) > 1 {
				name += "/" + host
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				room <- struct{}{}
				defer func() { <-room }()
				plain := *s
				plain.Dial.Flags = append(slices.Clip(plain.Dial.Flags), "--probes", "none")
				readCapture(t, &plain, host, check)
			})
		}
	}
}

func readCapture(t *testing.T, s *lab.Scenario, host string, check func(*testing.T, *conversation.Report, []judged, lab.Truth)) {
	var file bytes.Buffer
	_, r, err := lab.Capture(t.Context(), s, lab.Unprivileged, host, program, &file)
	if err != nil {
		t.Fatal(err)
	}
	possible(t, r)
	var dial struct{ Attempts []judged }
	if err := json.Unmarshal(r.Report, &dial); err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(file.Bytes())
	t.Cleanup(func() {
		if t.Failed() {
			show(t, kept)
		}
	})
	var told []*conversation.Report
	pass := &conversation.Reading{Each: func(c *conversation.Report) error {
		told = append(told, c)
		return nil
	}}
	pass.Start(1)
	if _, err := pass.File(&file, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := pass.End(); err != nil {
		t.Fatal(err)
	}
	for _, c := range told {
		check(t, c, dial.Attempts, r.Truth)
	}
}

// show prints the beginning of a capture as the reader draws it.
func show(t *testing.T, capture []byte) {
	read := program(context.Background(), "read", "-v", "-")
	read.Stdin = bytes.NewReader(capture)
	text, err := read.Output()
	t.Logf("%.6000s %v", text, err)
}

// agree compares one connection with the dial's attempts to its responder. Of
// an attempt that the dialer itself gave up, packets show only the silence.
func agree(t *testing.T, c *conversation.Report, attempts []judged, truth lab.Truth) {
	t.Helper()
	seen := false
	for _, a := range attempts {
		if a.Address != netip.AddrPort(c.Responder) {
			continue
		}
		seen = true
		// Packets never show whether the program read the FIN before it wrote. The RST
		// that follows on a flood of data may be among the packets that a capture on a
		// busy host has lost. What this host itself does to its packets, before they
		// get to the capture or behind it, is not in it; nor who aborts here, and why;
		// and where this end closed first, its own close is no news.
		if a.Cause == cause.BrokenPipe && (c.Cause == cause.IsOpen || c.Cause == cause.PeerReset || c.Cause == cause.PeerClosed) ||
			isEnd(a.Cause) && (a.Culprit.Kind == cause.Local || strings.HasPrefix(truth.Culprit, string(cause.Local))) ||
			a.Cause == cause.CancelledByCaller && c.Cause == cause.IsOpen ||
			a.Cause == cause.PeerClosed && a.Culprit.Kind == cause.Nobody && c.Cause == cause.IsOpen {
			return
		}
		// Where the capture has no repetition, nothing in it tells of a silence.
		if silent(a.Cause) && c.Cause == cause.IsOpen && c.Resent.Initiator == 0 {
			return
		}
		// Who closed or aborted it itself finds nothing wrong with the connection, and
		// no packet tells why it did.
		if own := a.Culprit.Kind == cause.Nobody || a.Culprit.Kind == cause.Local; own && c.Cause == cause.IsOpen && (a.Cause == cause.PeerClosed || a.Cause == cause.CancelledByCaller) {
			return
		}
		// A capture sees what comes before this host's own filter drops it, and the
		// other end's reset at last.
		if established := a.Cause == cause.PeerVanished; established && (truth.Cause == cause.LocalFirewallInput || truth.Cause == cause.LocalFirewallDrop) {
			return
		}
		// A silence has several readings, and a capture sees it at one place.
		if silent(a.Cause) && c.Confidence == cause.Certain {
			t.Errorf("%s to %s: the packets say %s for certain, the dial says %s", c.Initiator, c.Responder, c.Cause, a.Cause)
		}
		if a.Cause == cause.MTUBlackhole { // found by datagrams of its own
			return
		}
		if a.Cause == cause.PeerClosed && c.Cause == cause.AcceptedThenClosed || a.Cause == cause.PeerReset && c.Cause == cause.AcceptedThenReset {
			return // the same, of a connection on which nothing was said
		}
		if a.Outcome == cause.Cancelled || c.Cause == a.Cause || names(c.Alternatives, a.Cause) || names(a.Alternatives, c.Cause) {
			return
		}
	}
	if !seen || c.Cause == truth.Cause || names(c.Alternatives, truth.Cause) {
		return
	}
	t.Errorf("%s to %s, %s: the packets say %s (%s), or %v; the dial says %v", c.Initiator, c.Responder, c.Handshake, c.Cause, c.Confidence, c.Alternatives, attempts)
}

func isEnd(id cause.ID) bool {
	e, _ := cause.Lookup(id)
	return e.Group == cause.GroupEnd
}

func silent(id cause.ID) bool {
	return id == cause.PeerVanished || id == cause.IdleStateExpired || id == cause.PathLost || id == cause.ZeroWindow
}

func names(findings []cause.Finding, id cause.ID) bool {
	return slices.ContainsFunc(findings, func(f cause.Finding) bool { return f.Cause == id })
}
