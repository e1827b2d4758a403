package socketlist

import (
	"encoding/json"
	"io"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/sockets"
)

// head is the beginning of the document of `dialscope sockets --json`, before
// its sockets. The fields keep their names.
type head struct {
	At       time.Time      `json:"at"`
	States   map[string]int `json:"states"`   // how many of the sockets chosen are in each
	Findings []finding      `json:"findings"` // those that concern the sockets chosen; empty, never null
	Unseen   unseen         `json:"unseen"`
}

type finding struct {
	sockets.Finding
	Sockets []string `json:"sockets"` // their cookies; 32 at most
}

// unseen is what could not be looked at.
type unseen struct {
	WithoutProcess int    `json:"without_process"`        // held by somebody, whom this user may not see
	Processes      string `json:"no_processes,omitempty"` // why no process was looked for
	Torn           bool   `json:"torn,omitempty"`         // the table changed while it was read: some may be missing
}

// row is one socket.
type row struct {
	Cookie    string         `json:"cookie"` // hexadecimal
	Network   string         `json:"network"`
	State     string         `json:"state"`
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote,omitzero"`
	Interface string         `json:"interface,omitempty"`
	RecvQ     uint32         `json:"recv_q"` // LISTEN: connections in the accept queue
	SendQ     uint32         `json:"send_q"` // LISTEN: the backlog
	Timer     *timer         `json:"timer,omitempty"`
	UID       uint32         `json:"uid"`
	Inode     uint32         `json:"inode,omitempty"`
	CgroupID  uint64         `json:"cgroup_id,omitempty"`
	Drops     uint32         `json:"drops,omitempty"`

	Processes []*sockets.Process `json:"processes,omitempty"`
	Wrong     []string           `json:"wrong,omitempty"` // the kinds of the findings that concern it
	Info      *sockets.Info      `json:"tcp_info,omitempty"`
}

type timer struct {
	Kind    string        `json:"kind"`
	Expires time.Duration `json:"expires_in_ns"`
	Retries uint8         `json:"retries"`
}

// mostCookies is how many sockets a finding names.
const mostCookies = 32

// Write writes the document. It is one line.
func (l *List) Write(w io.Writer) error {
	h := head{At: l.Table.At, States: map[string]int{}, Findings: []finding{},
		Unseen: unseen{l.Table.Unheld, l.Table.NoProcesses, l.Table.Torn}}
	for _, i := range l.Rows {
		h.States[l.Table.Sockets[i].State.String()]++
	}
	for _, f := range l.Findings {
		named := finding{Finding: f, Sockets: []string{}}
		for _, i := range f.Rows[:min(len(f.Rows), mostCookies)] {
			named.Sockets = append(named.Sockets, cookie(&l.Table.Sockets[i]))
		}
		h.Findings = append(h.Findings, named)
	}
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	b = append(b[:len(b)-1], `,"sockets":[`...)
	marks := l.marks()
	for n, i := range l.Rows {
		if n > 0 {
			b = append(b, ',')
		}
		one, err := json.Marshal(l.row(i, marks[i]))
		if err != nil {
			return err
		}
		b = append(b, one...)
		if len(b) > 1<<15 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err = w.Write(append(b, "]}\n"...))
	return err
}

func (l *List) row(i int32, marks []int) row {
	s := &l.Table.Sockets[i]
	r := row{
		Cookie: cookie(s), Network: s.Network, State: s.State.String(), Local: s.Local, Remote: s.Remote, Interface: s.Interface,
		RecvQ: s.RecvQ, SendQ: s.SendQ, UID: s.UID, Inode: s.Inode, CgroupID: s.Cgroup, Drops: s.Drops,
	}
	if s.Timer != sockets.NoTimer {
		r.Timer = &timer{s.Timer.String(), s.Expires, s.Retries}
	}
	for _, p := range s.Holders {
		r.Processes = append(r.Processes, &l.Table.Processes[p])
	}
	for _, n := range marks {
		r.Wrong = append(r.Wrong, l.Findings[n].Kind)
	}
	if l.Info {
		r.Info = s.Info
	}
	return r
}

func cookie(s *sockets.Socket) string {
	const digits = "0123456789abcdef"
	n, b := s.Cookie, []byte{}
	for ; n > 0; n >>= 4 {
		b = append(b, digits[n&15])
	}
	if len(b) == 0 {
		return "0"
	}
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
