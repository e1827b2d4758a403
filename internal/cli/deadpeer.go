package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// deadPeerOf opens a connection, to learn the round trip and what the socket
// really has, and closes it.
func (a *app) deadPeerOf(ctx context.Context, o *talkOptions, t target.Target) error {
	conn, _, err := a.open(ctx, o, t)
	if conn == nil {
		return err
	}
	defer conn.Close()
	l, err := dialscope.Watch(conn).Liveness()
	if err != nil {
		return fmt.Errorf("the settings of the connection could not be read: %w", err)
	}
	return a.deadPeer(o, &l)
}

// deadPeer prints the prediction; l is nil where no connection was opened.
func (a *app) deadPeer(o *talkOptions, l *dialscope.Liveness) error {
	if l == nil {
		l = &dialscope.Liveness{Alive: evidence.Alive{KeepAlive: !o.keepalive.off, Idle: o.keepalive.idle, Interval: o.keepalive.interval,
			Count: o.keepalive.count, UserTimeout: time.Duration(o.userTimeout)}, RTT: time.Duration(o.rtt)}
		if l.Idle == 0 { // net.Dialer's own
			l.Idle, l.Interval, l.Count = 15*time.Second, 15*time.Second, 9
		}
	}
	l.Heartbeat = time.Duration(o.heartbeat)
	p := dialscope.PredictDeadPeer(*l)
	if o.json {
		return a.printJSON(p, terminal.Is(a.stdout))
	}
	return a.print(deadPeerText(a.style(), p))
}

// deadPeerText is the prediction as a table: each means by itself, and all that
// is set together.
func deadPeerText(style terminal.Style, p dialscope.DeadPeer) string {
	var b strings.Builder
	s := p.Settings
	line := func(text string) { b.WriteString(style.Text(text) + "\n") }
	fmt.Fprintf(&b, "%s\n\n", style.Bold("When a dead peer would be noticed"))
	line(fmt.Sprintf("  round trip %s, retransmission timeout (RTO) %s, tcp_retries2 %d", answer.Duration(s.RTT), answer.Duration(s.RTO), s.Retries))
	b.WriteByte('\n')

	rows := meansOf(s)
	const first, column = 32, 22
	head := terminal.Pad("", first) + terminal.Pad("idle connection", column) + terminal.Pad("data in flight", column) + "window closed"
	b.WriteString("  " + style.Dim(strings.TrimRight(head, " ")) + "\n")
	for _, r := range rows {
		cells := [3]string{"not set", "", ""}
		if !r.off {
			one := dialscope.PredictDeadPeer(r.with)
			cells = [3]string{noticeText(one.Idle), noticeText(one.InFlight), noticeText(one.ZeroWindow)}
			if r.idle {
				cells[1], cells[2] = "waits", "waits"
			}
		}
		line("  " + strings.TrimRight(terminal.Pad(r.name, first)+terminal.Pad(cells[0], column)+terminal.Pad(cells[1], column)+cells[2], " "))
	}
	cells := [3]string{noticeText(p.Idle), noticeText(p.InFlight), noticeText(p.ZeroWindow)}
	b.WriteString("  " + style.Bold(terminal.Pad("all that is set, together", first)))
	line(strings.TrimRight(terminal.Pad(cells[0], column)+terminal.Pad(cells[1], column)+cells[2], " "))
	by := func(n dialscope.Notice) string {
		if n.Never {
			return "nothing"
		}
		return strings.ReplaceAll(n.By, "_", " ")
	}
	b.WriteString("  " + style.Dim(strings.TrimRight(terminal.Pad("  noticed by", first)+terminal.Pad(by(p.Idle), column)+terminal.Pad(by(p.InFlight), column)+by(p.ZeroWindow), " ")) + "\n\n")
	forgotten := noticeText(p.Forgotten)
	if !p.Forgotten.Never {
		forgotten += " on an idle connection, by " + by(p.Forgotten)
	}
	line("  " + terminal.Pad("a peer that forgot, rebooted", first) + forgotten)
	b.WriteByte('\n')
	for _, text := range terminal.Wrap("The end is ETIMEDOUT. Times count from when the peer is gone and the connection idle, from the data's sending, and from the window's closing. Keepalive waits while data is in flight or the window is closed, and TCP_USER_TIMEOUT takes the place of its count. A peer that has rebooted, or a router that has forgotten the connection and says so, answers the first packet with RST: ECONNRESET. A router that drops it instead is like a peer that is gone.", min(style.Width, 100)-2) {
		line("  " + text)
	}
	return b.String()
}

// means is one way to notice, by itself.
type means struct {
	name string
	with dialscope.Liveness
	off  bool // it is not set
	idle bool // it is for idle connections only
}

func meansOf(s dialscope.Liveness) []means {
	none := s
	none.Alive, none.Heartbeat = evidence.Alive{}, 0
	keep, user, beat := none, none, none
	keep.Alive, keep.UserTimeout = s.Alive, 0
	user.UserTimeout, beat.Heartbeat = s.UserTimeout, s.Heartbeat
	rows := []means{
		{name: "retransmission, window probes", with: none},
		{name: "keepalive", with: keep, off: !s.KeepAlive, idle: true},
		{name: "TCP_USER_TIMEOUT", with: user, off: s.UserTimeout == 0},
		{name: "heartbeat", with: beat, off: s.Heartbeat == 0, idle: true},
	}
	if s.KeepAlive {
		rows[1].name += fmt.Sprintf(" %v,%v,%d", s.Idle, s.Interval, s.Count)
	}
	if s.UserTimeout > 0 {
		rows[2].name += " " + s.UserTimeout.String()
	}
	if s.Heartbeat > 0 {
		rows[3].name += " " + s.Heartbeat.String()
	}
	return rows
}

// noticeText is a time, or the two between which it lies.
func noticeText(n dialscope.Notice) string {
	if n.Never {
		return "never"
	}
	early, late := answer.Duration(n.After), answer.Duration(n.Latest)
	if early == late {
		return early
	}
	return early + " to " + late
}
