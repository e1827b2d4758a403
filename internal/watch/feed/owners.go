package feed

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/host/bpf"
	"github.com/dialscope/dialscope/internal/host/socktable"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

// owners know whose sockets are: those that were there at the start, those that
// listeners accept, and what /proc says of a process.
type owners struct {
	sockets   map[uint64]watch.Process // by cookie
	listeners map[uint16]watch.Process // by port
	processes map[int]watch.Process
}

// mostProcesses bounds what is remembered; beyond it all is forgotten.
const mostProcesses = 4096

func newOwners() *owners {
	return &owners{sockets: map[uint64]watch.Process{}, listeners: map[uint16]watch.Process{}, processes: map[int]watch.Process{}}
}

// seed looks at the table as it is: the connections that stand.
func (o *owners) seed(now time.Time, network uint32) []watch.Event {
	t, err := socktable.Read(now, socktable.Query{TCP: true, Info: true, Processes: true})
	if err != nil {
		return nil
	}
	o.learn(t)
	var stands []watch.Event
	for i := range t.Sockets {
		if e, is := o.standing(t, &t.Sockets[i]); is {
			e.Kind, e.Network = watch.Stands, network
			stands = append(stands, e)
		}
	}
	return stands
}

// learn remembers whose the sockets of a table are.
func (o *owners) learn(t *sockets.Table) {
	for i := range t.Sockets {
		s := &t.Sockets[i]
		p, known := holder(t, s)
		switch {
		case !known:
		case s.State == sockets.Listen:
			o.listeners[s.Local.Port()] = p
		case len(o.sockets) < watch.DefaultLimit:
			o.sockets[s.Cookie] = p
		}
		if s.State == sockets.Listen && !known {
			o.listeners[s.Local.Port()] = watch.Process{UID: s.UID}
		}
	}
}

func holder(t *sockets.Table, s *sockets.Socket) (watch.Process, bool) {
	if len(s.Holders) == 0 {
		return watch.Process{}, false
	}
	p := &t.Processes[s.Holders[0]]
	return watch.Process{PID: p.PID, Name: p.Name, UID: s.UID, Container: p.Container}, true
}

// standing makes an event of a connection in a table; false: it is none, or over.
func (o *owners) standing(t *sockets.Table, s *sockets.Socket) (watch.Event, bool) {
	switch s.State {
	case sockets.Listen, sockets.Closed, sockets.TimeWait, sockets.Unconnected, sockets.UnknownState:
		return watch.Event{}, false
	}
	if s.Network != "tcp" || !s.Remote.IsValid() {
		return watch.Event{}, false
	}
	e := watch.Event{At: t.At, Cookie: s.Cookie, Local: s.Local, Remote: s.Remote, New: s.State}
	_, e.In = o.listeners[s.Local.Port()]
	e.Process, _ = holder(t, s)
	if s.Info != nil {
		e.HasFlow = true
		e.Flow = watch.Flow{RTT: s.Info.RTT, Resent: s.Info.Retransmitted, Acked: s.Info.BytesAcked, Received: s.Info.BytesRecv}
	}
	return e, true
}

// of says whose a socket is.
func (o *owners) of(e *watch.Event) (watch.Process, bool) {
	if p, known := o.sockets[e.Cookie]; known && e.Cookie != 0 {
		return p, true
	}
	p, known := o.listeners[e.Local.Port()]
	return p, known && p.PID != 0
}

// process completes what an event says of a process. It allocates nothing for
// one that is known.
func (o *owners) process(e *bpf.Event) watch.Process {
	pid := int(e.PID)
	if p, known := o.processes[pid]; known && e.CommandIs(p.Name) {
		p.UID = e.UID
		return p
	}
	if len(o.processes) >= mostProcesses {
		clear(o.processes)
	}
	p := watch.Process{PID: pid, Name: e.Command(), UID: e.UID, Container: socktable.Process(pid).Container}
	o.processes[pid] = p
	return p
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
