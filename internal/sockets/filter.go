package sockets

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Filter chooses rows. The zero value chooses all; each field that is set must
// be met, and of several values in one field any.
type Filter struct {
	Networks []string       // tcp, udp
	States   States         // the empty set: all
	Hosts    []netip.Prefix // one end's address is in one of them
	Ports    []uint16       // one end's port is one of them
	PIDs     []int          // held by one of these processes
	Names    []string       // held by a process whose name begins so
}

// Match says whether the filter chooses the socket s of table t.
func (f *Filter) Match(t *Table, s *Socket) bool {
	return f.States.Has(s.State) &&
		(len(f.Networks) == 0 || slices.Contains(f.Networks, s.Network)) &&
		(len(f.Ports) == 0 || slices.Contains(f.Ports, s.Local.Port()) || s.Remote.Port() != 0 && slices.Contains(f.Ports, s.Remote.Port())) &&
		(len(f.Hosts) == 0 || f.host(s.Local) || f.host(s.Remote)) &&
		(len(f.PIDs) == 0 && len(f.Names) == 0 || f.process(t, s))
}

func (f *Filter) host(at netip.AddrPort) bool {
	addr := at.Addr().WithZone("")
	return addr.IsValid() && slices.ContainsFunc(f.Hosts, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func (f *Filter) process(t *Table, s *Socket) bool {
	for _, i := range s.Holders {
		p := &t.Processes[i]
		if slices.Contains(f.PIDs, p.PID) || slices.ContainsFunc(f.Names, func(name string) bool { return strings.HasPrefix(p.Name, name) }) {
			return true
		}
	}
	return false
}

// Orders are the ways to sort, by the name that the command has for each.
var Orders = []string{"state", "local", "remote", "recv-q", "send-q", "process", "timer"}

// Sort puts the rows, which are indexes into t.Sockets, into one of [Orders].
// Where that leaves two equal, state and addresses decide.
func (t *Table) Sort(rows []int32, order string) {
	slices.SortFunc(rows, func(i, j int32) int {
		a, b := &t.Sockets[i], &t.Sockets[j]
		first := 0
		switch order {
		case "local":
			first = compareAddr(a.Local, b.Local)
		case "remote":
			first = compareAddr(a.Remote, b.Remote)
		case "recv-q":
			first = cmp.Compare(b.RecvQ, a.RecvQ)
		case "send-q":
			first = cmp.Compare(b.SendQ, a.SendQ)
		case "process":
			first = cmp.Compare(t.holder(a), t.holder(b))
		case "timer":
			first = cmp.Or(cmp.Compare(b.Retries, a.Retries), cmp.Compare(a.Timer, b.Timer), cmp.Compare(a.Expires, b.Expires))
		}
		return cmp.Or(first, cmp.Compare(a.State, b.State), cmp.Compare(a.Network, b.Network),
			cmp.Compare(a.Local.Port(), b.Local.Port()), compareAddr(a.Local, b.Local), compareAddr(a.Remote, b.Remote), cmp.Compare(i, j))
	})
}

func compareAddr(a, b netip.AddrPort) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Port(), b.Port()))
}

// holder sorts sockets that nobody holds last.
func (t *Table) holder(s *Socket) string {
	if len(s.Holders) == 0 {
		return "\U0010ffff"
	}
	return t.Processes[s.Holders[0]].Name
}
