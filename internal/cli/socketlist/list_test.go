package socketlist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/golden"
	"github.com/dialscope/dialscope/internal/sockets"
)

// busy is a host with a bit of everything.
func busy() *sockets.Table {
	ap := netip.MustParseAddrPort
	info := sockets.Info{
		RTO: 204 * time.Millisecond, RTT: 1500 * time.Microsecond, RTTVar: 300 * time.Microsecond, MinRTT: 1200 * time.Microsecond, SndMSS: 1448, PMTU: 1500, Cwnd: 10,
		SndWnd: 65536, RcvWnd: 65536, BytesAcked: 518, BytesRecv: 4096, LastSent: 70 * time.Second, LastRecv: 90 * time.Second, LastACK: 80 * time.Second, Windows: true,
	}
	shut := info
	shut.SndWnd, shut.NotSent = 0, 2048
	return &sockets.Table{
		At:        time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Processes: []sockets.Process{{PID: 812, Name: "nginx"}, {PID: 4711, Name: "worker\x1b[31m", Cgroup: "/docker/0123456789ab", Container: "0123456789ab"}},
		Host:      sockets.Host{ListenOverflows: 4, PortLow: 32768, PortHigh: 60999, MaxOrphans: 65536, MaxTimeWait: 65536},
		Unheld:    1,
		Sockets: []sockets.Socket{
			{Network: "udp", State: sockets.Unconnected, Local: ap("127.0.0.53:53"), Interface: "lo", UID: 101, Inode: 12, Cookie: 0x1f, RecvQ: 768, Drops: 3},
			{Network: "tcp", State: sockets.Listen, Local: ap("0.0.0.0:80"), RecvQ: 129, SendQ: 128, Inode: 13, Holders: []int32{0, 1}, Cookie: 2, Drops: 17},
			{Network: "tcp", State: sockets.Listen, Local: ap("[::]:22"), SendQ: 128, Inode: 14, Holders: []int32{0}, Cookie: 3},
			{Network: "tcp", State: sockets.CloseWait, Local: ap("10.0.0.1:34567"), Remote: ap("10.0.0.2:5432"), RecvQ: 1, Inode: 15, UID: 1000, Holders: []int32{1}, Cookie: 4, Info: &info},
			{Network: "tcp", State: sockets.Established, Local: ap("[2001:db8::1:2:3:4]:49152"), Remote: ap("[2001:db8:ffff:ffff:ffff:ffff:ffff:2]:443"), SendQ: 2048,
				Inode: 16, UID: 1000, Holders: []int32{1}, Cookie: 5, Timer: sockets.Persist, Expires: 3200 * time.Millisecond, Retries: 2, Info: &shut},
			{Network: "tcp", State: sockets.TimeWait, Local: ap("10.0.0.1:34568"), Remote: ap("10.0.0.2:5432"), Timer: sockets.TimeWaitTimer, Expires: 59 * time.Second, Cookie: 6},
		},
	}
}

func all(*sockets.Socket) bool { return true }

func text(l *List, s terminal.Style) string {
	var b strings.Builder
	l.Text(&b, s)
	return b.String()
}

func TestText(t *testing.T) {
	for _, width := range []int{0, 60, 80, 100, 140} {
		s := terminal.Style{Width: width, Unicode: true}
		got := text(New(busy(), all, "state", false), s)
		for i, line := range strings.Split(got, "\n") {
			if width > 0 && terminal.Columns(line) > width {
				t.Errorf("width %d: line %d has %d columns: %s", width, i+1, terminal.Columns(line), line)
			}
		}
		if strings.Contains(got, "\x1b") {
			t.Errorf("width %d: an escape sequence without colour", width)
		}
		golden.Check(t, fmt.Sprintf("busy.%d.golden", width), got)
	}
	l := New(busy(), all, "remote", false)
	l.Info = true
	golden.Check(t, "info.100.golden", text(l, terminal.Style{Width: 100}))
	golden.Check(t, "colour.golden", text(New(busy(), all, "state", true), terminal.Style{Width: 100, Colour: true, Unicode: true}))
}

func TestTextOfLittle(t *testing.T) {
	s := terminal.Style{Width: 80}
	if got := text(New(&sockets.Table{}, all, "state", false), s); got != "0 sockets; nothing wrong is seen.\n" {
		t.Errorf("no sockets: %q", got)
	}
	none := New(busy(), func(s *sockets.Socket) bool { return false }, "state", false)
	if got := text(none, s); !strings.HasPrefix(got, "0 sockets of 6; nothing wrong is seen.\n") {
		t.Errorf("none chosen: %q", got)
	}
	torn := &sockets.Table{Torn: true, NoProcesses: "open /proc: permission denied"}
	if got := strings.ReplaceAll(text(New(torn, all, "state", false), s), "\n", " "); !strings.Contains(got, "sockets may be missing") || !strings.Contains(got, "permission denied") {
		t.Errorf("what was not seen: %q", got)
	}
}

// A thousand findings of one kind do not bury the others.
func TestTextOfManyFindings(t *testing.T) {
	table := busy()
	for range 1000 {
		table.Sockets = append(table.Sockets, table.Sockets[1])
	}
	got := text(New(table, func(s *sockets.Socket) bool { return s.State == sockets.Listen }, "state", false), terminal.Style{Width: 80})
	if n := strings.Count(got, "does not accept"); n != mostOfAKind || !strings.Contains(got, "and 991 more of this kind: --json") {
		t.Errorf("%d findings, and then:\n%s", n, got[len(got)-400:])
	}
}

// Only findings that concern a chosen row are shown, and --only wrong leaves
// only the rows that a finding concerns.
func TestNewChooses(t *testing.T) {
	l := New(busy(), func(s *sockets.Socket) bool { return s.State == sockets.Listen }, "state", false)
	if len(l.Rows) != 2 || len(l.Findings) != 1 || l.Findings[0].Kind != "accept-queue-full" {
		t.Errorf("listeners: rows %v, %+v", l.Rows, l.Findings)
	}
	l = New(busy(), func(s *sockets.Socket) bool { return s.State == sockets.Listen }, "state", true)
	if len(l.Rows) != 1 || l.Table.Sockets[l.Rows[0]].RecvQ != 129 {
		t.Errorf("listeners that are marked: %v", l.Rows)
	}
}

func TestWrite(t *testing.T) {
	l := New(busy(), all, "state", false)
	l.Info = true
	var b bytes.Buffer
	if err := l.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "busy.json", b.String())
	var d struct {
		Sockets []struct {
			Cookie string
			Wrong  []string
		}
		Findings []struct {
			Kind    string
			Sockets []string
			Count   int
		}
	}
	if err := json.Unmarshal(b.Bytes(), &d); err != nil || len(d.Sockets) != 6 {
		t.Fatalf("%d sockets, %v", len(d.Sockets), err)
	}
	// Both ends of each reference agree.
	marked := map[string]int{}
	for _, s := range d.Sockets {
		for _, kind := range s.Wrong {
			marked[kind+" "+s.Cookie]++
		}
	}
	for _, f := range d.Findings {
		if f.Count != len(f.Sockets) {
			t.Errorf("%s: %d sockets named, %d counted", f.Kind, len(f.Sockets), f.Count)
		}
		for _, cookie := range f.Sockets {
			if marked[f.Kind+" "+cookie] != 1 {
				t.Errorf("%s names %s, which is not marked so", f.Kind, cookie)
			}
		}
	}
	b.Reset()
	if err := New(&sockets.Table{}, all, "state", false).Write(&b); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("the empty document: %v: %s", err, b.String())
	}
}

func TestCookie(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 0xabc: "abc", 16: "10", 1<<64 - 1: "ffffffffffffffff"} {
		if got := cookie(&sockets.Socket{Cookie: n}); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func BenchmarkList(b *testing.B) {
	t := busy()
	for i := range 100_000 {
		s := t.Sockets[5]
		s.State, s.Local, s.Cookie = sockets.Established, netip.AddrPortFrom(s.Local.Addr(), uint16(i)), uint64(i)
		t.Sockets = append(t.Sockets, s)
	}
	for _, what := range []string{"text", "json"} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				l := New(t, all, "state", false)
				if what == "json" {
					if err := l.Write(new(bytes.Buffer)); err != nil {
						b.Fatal(err)
					}
					continue
				}
				text(l, terminal.Style{Width: 120, Unicode: true})
			}
		})
	}
}
