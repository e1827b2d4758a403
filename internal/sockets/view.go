package sockets

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// view is a table as the rules look at it.
type view struct {
	*Table
	rows      [nStates][]int32 // of TCP
	udp       []int32
	listeners map[uint16][]int32 // by port
}

func newView(t *Table) *view {
	v := &view{Table: t, listeners: map[uint16][]int32{}}
	for i := range t.Sockets {
		s := &t.Sockets[i]
		if s.Network != "tcp" {
			v.udp = append(v.udp, int32(i))
			continue
		}
		if s.State < nStates {
			v.rows[s.State] = append(v.rows[s.State], int32(i))
		}
		if s.State == Listen {
			v.listeners[s.Local.Port()] = append(v.listeners[s.Local.Port()], int32(i))
		}
	}
	return v
}

// in gives the TCP rows in any of the states.
func (v *view) in(states ...State) []int32 {
	var all []int32
	for _, s := range states {
		all = append(all, v.rows[s]...)
	}
	return all
}

// listener is the socket that takes connections to an address of this host: the
// one bound to it before one bound to the wildcard. Nil: none is in the table.
func (v *view) listener(to netip.AddrPort) *Socket {
	var best *Socket
	score := 0
	for _, i := range v.listeners[to.Port()] {
		s := &v.Sockets[i]
		local, n := s.Local.Addr(), 0
		switch {
		case local == to.Addr():
			n = 3
		case local.IsUnspecified() && local.Is4() == to.Addr().Is4():
			n = 2
		case local.IsUnspecified() && to.Addr().Is4() && !s.V6Only:
			n = 1
		}
		if n > score {
			best, score = s, n
		}
	}
	return best
}

// group gathers rows that have the same key, the groups in the order of their
// first rows.
func group[K comparable](rows []int32, key func(int32) K) [][]int32 {
	at := map[K]int{}
	var groups [][]int32
	for _, i := range rows {
		k := key(i)
		g, known := at[k]
		if !known {
			g = len(groups)
			at[k] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

func (v *view) only(rows []int32, wanted func(*Socket) bool) []int32 {
	return slices.DeleteFunc(slices.Clone(rows), func(i int32) bool { return !wanted(&v.Sockets[i]) })
}

// most is the largest value of f.
func most[T cmp.Ordered](v *view, rows []int32, f func(*Socket) T) (largest T) {
	for _, i := range rows {
		largest = max(largest, f(&v.Sockets[i]))
	}
	return largest
}

// owner is what a group by process goes by.
type owner struct {
	pid int
	uid uint32
}

func (v *view) owner(i int32) owner {
	s := &v.Sockets[i]
	if len(s.Holders) == 0 {
		return owner{uid: s.UID}
	}
	return owner{pid: v.Processes[s.Holders[0]].PID}
}

// who names a socket's process.
func (v *view) who(s *Socket) string {
	if len(s.Holders) > 0 {
		p := &v.Processes[s.Holders[0]]
		name := p.Name
		if name == "" {
			name = "process"
		}
		if n := len(s.Holders) - 1; n > 0 {
			return fmt.Sprintf("%s (%d and %d more)", name, p.PID, n)
		}
		return fmt.Sprintf("%s (%d)", name, p.PID)
	}
	if s.Inode == 0 {
		return "no process"
	}
	return fmt.Sprintf("a process of user %d", s.UID)
}

// whose names the processes of several sockets: one, or how many.
func (v *view) whose(rows []int32) string {
	owners := group(rows, v.owner)
	if len(owners) == 1 {
		return v.who(&v.Sockets[rows[0]])
	}
	return v.who(&v.Sockets[owners[0][0]]) + " and " + count(len(owners)-1, "other", "others")
}

// pid is the option that selects the process of a group, "" where it is not known.
func (v *view) pid(rows []int32) string {
	if o := v.owner(rows[0]); o.pid != 0 {
		return fmt.Sprintf(" --pid %d", o.pid)
	}
	return ""
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// pick is for verbs and the like.
func pick(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// sentence joins the parts that are there.
func sentence(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "")
}

// host is an address and a port as a person types them.
func host(at netip.AddrPort) string {
	if at.Addr().IsUnspecified() {
		return fmt.Sprintf("*:%d", at.Port())
	}
	return at.String()
}
