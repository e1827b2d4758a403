package sockets

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
)

var ap = netip.MustParseAddrPort

// tcp is a row of a table; the options change it.
func tcp(state State, local, remote string, change ...func(*Socket)) Socket {
	s := Socket{Network: "tcp", State: state, Local: ap(local), Inode: 1}
	if remote != "" {
		s.Remote = ap(remote)
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func queues(recv, send uint32) func(*Socket) {
	return func(s *Socket) { s.RecvQ, s.SendQ = recv, send }
}
func heldBy(p int32) func(*Socket) { return func(s *Socket) { s.Holders = []int32{p} } }
func noInode(s *Socket)            { s.Inode = 0 }
func drops(n uint32) func(*Socket) { return func(s *Socket) { s.Drops = n } }
func timer(t Timer, retries uint8) func(*Socket) {
	return func(s *Socket) { s.Timer, s.Retries = t, retries }
}
func info(i Info) func(*Socket) { return func(s *Socket) { s.Info = &i } }

func table(host Host, all ...Socket) *Table {
	return &Table{Sockets: all, Host: host, Processes: []Process{{PID: 10, Name: "server"}, {PID: 20, Name: "client"}}}
}

// times of a connection that rests.
func resting(d time.Duration) Info {
	return Info{LastACK: d, LastSent: d, LastRecv: d, Windows: true, SndWnd: 65535, RcvWnd: 65535, SndMSS: 1460}
}

func repeat(n int, s Socket) []Socket {
	all := make([]Socket, n)
	for i := range all {
		all[i] = s
		all[i].Local = netip.AddrPortFrom(s.Local.Addr(), s.Local.Port()+uint16(i))
	}
	return all
}

func TestDiagnose(t *testing.T) {
	unknown := Host{ListenOverflows: -1, MaxOrphans: -1, MaxTimeWait: -1}
	shut := func(i Info) Info { i.SndWnd = 0; return i }
	deaf := func(i Info) Info { i.RcvWnd = 0; return i }
	for _, c := range []struct {
		name string
		host Host
		all  []Socket
		want []string // kind grade cause confidence count | words of the text
	}{
		{"nothing", unknown, nil, nil},
		{"healthy", unknown, []Socket{
			tcp(Listen, "0.0.0.0:80", "", queues(5, 5)),
			tcp(Established, "10.0.0.1:80", "10.0.0.2:4000", queues(100, 100), timer(Retransmit, 1), info(resting(time.Hour))),
			tcp(SYNSent, "10.0.0.1:4000", "10.0.0.2:80", timer(Retransmit, 0)),
			tcp(SYNReceived, "10.0.0.1:80", "10.0.0.2:4001", timer(Retransmit, 0), noInode),
			tcp(TimeWait, "10.0.0.1:4000", "10.0.0.2:80", noInode, timer(TimeWaitTimer, 0)),
			tcp(FINWait1, "10.0.0.1:4000", "10.0.0.2:80", noInode, timer(Retransmit, 1)),
			tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", timer(Keepalive, 0), info(resting(time.Hour))),
		}, nil},

		{"accept queue full", unknown, []Socket{tcp(Listen, "0.0.0.0:80", "", queues(6, 5), heldBy(0))},
			[]string{"accept-queue-full wrong listen-queue-full certain 1|server (10) does not accept fast enough at *:80: 6 connections wait in an accept queue that takes 5"}},
		{"accept queue full, and dropped", unknown, []Socket{tcp(Listen, "[::1]:80", "", queues(1, 0), drops(7))},
			[]string{"accept-queue-full wrong listen-queue-full certain 1|[::1]:80: 1 connection waits in an accept queue that takes 0, and further ones are ignored; 7 packets were thrown away"}},
		{"overflowed before", Host{ListenOverflows: 3}, []Socket{tcp(Listen, "0.0.0.0:80", "", queues(0, 5), drops(7))},
			[]string{"accept-queue-overflowed notice listen-queue-full likely 1|7 packets of new connections"}},
		{"overflowed before, perhaps", unknown, []Socket{tcp(Listen, "0.0.0.0:80", "", queues(0, 5), drops(1))},
			[]string{"accept-queue-overflowed notice listen-queue-full possible 1|1 packet of new connections"}},
		{"dropped for another reason", Host{ListenOverflows: 0}, []Socket{tcp(Listen, "0.0.0.0:80", "", drops(7))}, nil},
		{"client gone before it was accepted", unknown, []Socket{
			tcp(Listen, "0.0.0.0:80", "", queues(2, 5), heldBy(0)),
			tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4000", noInode), tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4001", noInode),
		}, []string{"not-accepted wrong listen-queue-full possible 2|2 connections at port 80 whose clients have closed already have not been accepted yet by server (10)"}},

		{"SYN unanswered", unknown, []Socket{
			tcp(SYNSent, "10.0.0.1:4000", "10.0.0.2:80", timer(Retransmit, 1), heldBy(1)),
			tcp(SYNSent, "10.0.0.1:4001", "10.0.0.2:80", timer(Retransmit, 4), heldBy(1)),
			tcp(SYNSent, "10.0.0.1:4001", "10.0.0.2:443", timer(Retransmit, 2)),
		}, []string{
			"syn-unanswered wrong   2|2 attempts of client (20) to 10.0.0.2:80 have had no answer; the SYN was sent again 4 times",
			"syn-unanswered wrong   1|10.0.0.2:443 has had no answer; the SYN was sent again twice",
		}},
		{"SYN unanswered, listener here is full", unknown, []Socket{
			tcp(SYNSent, "127.0.0.1:4000", "127.0.0.1:80", timer(Retransmit, 1)), tcp(Listen, "0.0.0.0:80", "", queues(1, 0), heldBy(0)),
		}, []string{
			"accept-queue-full wrong listen-queue-full certain 1|server (10)",
			"syn-unanswered wrong listen-queue-full likely 1|The accept queue of server (10) there is full",
		}},
		{"SYN unanswered elsewhere, a full listener here at that port", unknown, []Socket{
			tcp(SYNSent, "10.0.0.1:4000", "10.0.0.2:80", timer(Retransmit, 1)), tcp(Listen, "0.0.0.0:80", "", queues(1, 0)),
		}, []string{"accept-queue-full wrong listen-queue-full certain 1|", "syn-unanswered wrong   1|"}},
		{"SYN,ACK unanswered", unknown, []Socket{
			tcp(Listen, "0.0.0.0:80", "", queues(0, 5)), tcp(SYNReceived, "10.0.0.1:80", "10.0.0.2:4000", timer(Retransmit, 2), noInode),
		}, []string{"synack-unanswered notice reply-lost possible 1|1 handshake at port 80 is waiting"}},
		{"last ACK ignored", unknown, []Socket{
			tcp(Listen, "[::]:80", "", queues(3, 2)), tcp(SYNReceived, "10.0.0.1:80", "10.0.0.2:4000", timer(Retransmit, 2), noInode),
		}, []string{"accept-queue-full wrong listen-queue-full certain 1|", "synack-unanswered wrong listen-queue-full likely 1|the last ACK is ignored"}},

		{"few ports left", Host{PortLow: 40000, PortHigh: 40009}, append(
			repeat(7, tcp(TimeWait, "10.0.0.1:40000", "10.0.0.2:80", noInode)), tcp(Established, "10.0.0.1:40007", "10.0.0.2:80")),
			[]string{"ports-nearly-gone wrong ports-exhausted possible 8|8 of 10 ephemeral ports (40000-40009) are taken toward 10.0.0.2:80 from 10.0.0.1, 7 of them by TIME_WAIT"}},
		{"no ports left beside the reserved", Host{PortLow: 40000, PortHigh: 40009, PortsReserved: 2}, repeat(8, tcp(TimeWait, "10.0.0.1:40000", "10.0.0.2:80", noInode)),
			[]string{"ports-nearly-gone wrong ports-exhausted likely 8|8 of 8 ephemeral ports"}},
		{"as many ports, toward two destinations", Host{PortLow: 40000, PortHigh: 40009}, append(
			repeat(7, tcp(TimeWait, "10.0.0.1:40000", "10.0.0.2:80", noInode)), repeat(7, tcp(TimeWait, "10.0.0.1:40000", "10.0.0.2:81", noInode))...), nil},
		{"a server's TIME_WAIT", Host{PortLow: 40000, PortHigh: 40009}, repeat(10, tcp(TimeWait, "10.0.0.1:80", "10.0.0.2:4000", noInode)), nil},
		{"range not known", unknown, repeat(10, tcp(TimeWait, "10.0.0.1:40000", "10.0.0.2:80", noInode)), nil},

		{"CLOSE_WAIT for a while", unknown, []Socket{tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4000", heldBy(0), info(resting(12*time.Second)))},
			[]string{"not-closed notice peer-closed likely 1|server (10) does not close 1 connection whose peer has closed 12 s ago"}},
		{"CLOSE_WAIT for long", unknown, []Socket{tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4000", heldBy(0), info(resting(time.Minute)))},
			[]string{"not-closed wrong peer-closed likely 1|"}},
		{"many in CLOSE_WAIT", unknown, repeat(10, tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4000", info(resting(10*time.Second)))),
			[]string{"not-closed wrong peer-closed likely 10|a process of user 0 does not close 10 connections"}},
		{"CLOSE_WAIT, just now or still sending", unknown, []Socket{
			tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4000", info(resting(time.Second))),
			tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4001", queues(1, 10), info(resting(time.Hour))),
			tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4002", info(Info{LastACK: time.Hour, LastSent: time.Second})),
			tcp(CloseWait, "10.0.0.1:80", "10.0.0.2:4003"), // no TCP_INFO: nothing is known of its age
		}, nil},

		{"peer's window shut", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 9), heldBy(1), timer(Persist, 0), info(shut(resting(7*time.Second))))},
			[]string{"peer-window-shut wrong zero-window certain 1|10.0.0.2:80 has shut its window for client (20): 9 octets wait to be sent in 1 connection."}},
		{"peer's window shut just now", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 1), timer(Persist, 0), info(shut(resting(time.Second))))},
			[]string{"peer-window-shut notice zero-window certain 1|"}},
		{"probes unanswered", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 1), timer(Persist, 3), info(shut(resting(20*time.Second))))},
			[]string{"peer-window-shut wrong zero-window likely 1|the last data went out 20 s ago; the last 3 probes were not answered, so the peer may be gone"}},
		{"window shut, no TCP_INFO", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 1), timer(Persist, 0))},
			[]string{"peer-window-shut notice zero-window likely 1|"}},
		{"persist timer with an open window", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 1), timer(Persist, 0), info(resting(time.Minute)))}, nil},
		{"does not read", unknown, []Socket{tcp(Established, "10.0.0.1:80", "10.0.0.2:4000", queues(5000, 0), heldBy(0), info(deaf(resting(7*time.Second))))},
			[]string{"not-read wrong zero-window likely 1|server (10) does not read: 5000 octets wait in 1 connection"}},
		{"reads slowly", unknown, []Socket{tcp(Established, "10.0.0.1:80", "10.0.0.2:4000", queues(5000, 0), heldBy(0), info(deaf(resting(0))))},
			[]string{"not-read notice zero-window likely 1|"}},

		{"not acknowledged", unknown, []Socket{
			tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", queues(0, 100), timer(Retransmit, 5), heldBy(1)),
			tcp(CloseWait, "10.0.0.1:4001", "10.0.0.2:81", queues(0, 11), timer(Retransmit, 2), heldBy(0)),
			tcp(FINWait1, "10.0.0.1:4002", "10.0.0.2:81", queues(0, 1), timer(Retransmit, 2), noInode),
		}, []string{
			"not-acknowledged wrong peer-vanished possible 2|10.0.0.2 does not acknowledge what client (20) and 1 other sent: 111 octets in 2 connections, sent again up to 5 times",
			"orphans notice peer-vanished possible 1|1 connection that processes have closed is not acknowledged by 10.0.0.2",
		}},
		{"keepalive unanswered", unknown, []Socket{tcp(Established, "10.0.0.1:4000", "10.0.0.2:80", timer(Keepalive, 2), heldBy(1))},
			[]string{"keepalive-unanswered wrong peer-vanished possible 1|10.0.0.2 has not answered up to 2 keepalive probes of 1 connection of client (20)"}},
		{"too many orphans", Host{MaxOrphans: 4}, repeat(2, tcp(LastACK, "10.0.0.1:4000", "10.0.0.2:80", noInode, timer(Retransmit, 0))),
			[]string{"orphans wrong   2|2 closed sockets are not acknowledged yet, and beyond 4"}},
		{"self-connect", unknown, []Socket{tcp(Established, "127.0.0.1:40000", "127.0.0.1:40000", heldBy(1))},
			[]string{"self-connect wrong self-connect certain 1|The socket of client (20) is connected to itself at 127.0.0.1:40000"}},
		{"TIME_WAIT full", Host{MaxTimeWait: 10}, repeat(9, tcp(TimeWait, "10.0.0.1:80", "10.0.0.2:4000", noInode)),
			[]string{"time-wait-bucket-full notice   9|9 sockets are in TIME_WAIT, and the host keeps 10"}},
		{"datagrams dropped", unknown, []Socket{
			{Network: "udp", State: Unconnected, Local: ap("0.0.0.0:53"), Drops: 3, Inode: 1},
			{Network: "udp", State: Unconnected, Local: ap("0.0.0.0:54"), Drops: 1, RecvQ: 2048, Inode: 1},
			{Network: "udp", State: Unconnected, Local: ap("0.0.0.0:55"), RecvQ: 2048, Inode: 1},
		}, []string{
			"datagrams-dropped wrong   1|*:54 has lost 1 datagram since",
			"datagrams-dropped notice   1|*:53 has lost 3 datagrams since",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Diagnose(table(c.host, c.all...))
			if len(got) != len(c.want) {
				t.Fatalf("%d findings, want %d: %+v", len(got), len(c.want), got)
			}
			for i, f := range got {
				head, words, _ := strings.Cut(c.want[i], "|")
				is := strings.Join([]string{f.Kind, string(f.Grade), string(f.Cause), string(f.Confidence), ""}, " ")
				is += count(f.Count, "", "")
				if strings.ReplaceAll(strings.TrimSpace(is), "  ", " ") != strings.ReplaceAll(head, "  ", " ") || !strings.Contains(f.Text, words) {
					t.Errorf("finding %d\n got %s|%s\nwant %s", i, is, f.Text, c.want[i])
				}
				if f.Remedy == "" || f.Count != len(f.Rows) {
					t.Errorf("finding %d: remedy %q, %d of %d rows", i, f.Remedy, f.Count, len(f.Rows))
				}
				if _, known := cause.Lookup(f.Cause); f.Cause != "" && !known || (f.Cause == "") != (f.Confidence == "") {
					t.Errorf("finding %d: cause %q with confidence %q", i, f.Cause, f.Confidence)
				}
			}
		})
	}
}

// Each rule is met by a case above, has words of its own, and cites what it
// rests on.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Kind] || r.Title == "" || r.Why == "" {
			t.Errorf("rule %+v", r)
		}
		seen[r.Kind] = true
	}
}

// Whatever the table holds, the diagnosis ends, names rows of the table, and
// gives the same answer twice.
func FuzzDiagnose(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		tab := table(Host{PortLow: int(len(b)), PortHigh: len(b) + 3, MaxOrphans: 1, MaxTimeWait: 1})
		for len(b) >= 6 {
			s := Socket{Network: "tcp", State: State(b[0] % 16), Timer: Timer(b[1] % 6), Retries: b[2] % 4, RecvQ: uint32(b[3]), SendQ: uint32(b[4]), Inode: uint32(b[5] & 1)}
			s.Local = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, b[3] & 1}), uint16(b[4]))
			if b[5]&2 != 0 {
				s.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, b[3] & 1}), uint16(b[2]))
			}
			if b[5]&4 != 0 {
				s.Info = &Info{Windows: b[5]&8 != 0, LastSent: time.Duration(b[4]) * time.Second, LastACK: time.Duration(b[3]) * time.Second}
			}
			if b[5]&16 != 0 {
				s.Network = "udp"
			}
			tab.Sockets = append(tab.Sockets, s)
			b = b[6:]
		}
		first, second := Diagnose(tab), Diagnose(tab)
		if len(first) != len(second) {
			t.Fatalf("%d findings, then %d", len(first), len(second))
		}
		for i, f := range first {
			if f.Text != second[i].Text || f.Text == "" {
				t.Errorf("%q, then %q", f.Text, second[i].Text)
			}
			for _, r := range f.Rows {
				if r < 0 || int(r) >= len(tab.Sockets) {
					t.Errorf("row %d of %d", r, len(tab.Sockets))
				}
			}
		}
	})
}
