package netlink

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// RouteTo asks the kernel how it would route a packet of this process
// (RTM_GETROUTE, rtnetlink(7)).
//
// A look-up that fails is a result: its errno stands in Route.Errno. Type and
// Prefix then name the entry that rejected (unreachable EHOSTUNREACH, prohibit
// EACCES, blackhole EINVAL, throw ENETUNREACH; fib_props in fib_semantics.c),
// as far as the tables and policy rules show it. Type without Prefix is the
// action of a policy rule; neither means that no route matched. An interface
// that does not exist gives ENODEV. Table is 0 where the kernel does not tell
// local and main apart. Policy rules "from" a source that is not on this host
// are not considered.
func RouteTo(q Query) (*evidence.Route, error) {
	l, errno, err := newLookup(q)
	if err != nil {
		return nil, fmt.Errorf("route to %v: %w", q.To, err)
	}
	route := &evidence.Route{To: q.To}
	if errno != 0 {
		route.Errno, route.Interface = evidence.Errno(sys.ErrnoName(errno)), q.Interface
		return route, nil
	}
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route to %v: %w", q.To, err)
	}
	defer c.Close()
	if err := l.fill(c, route); err != nil {
		return nil, fmt.Errorf("route to %v: %w", q.To, err)
	}
	l.doubts(c, route)
	return route, nil
}

// lookup is a Query in the kernel's terms.
type lookup struct {
	family   uint8
	to, from netip.Addr
	oif      int
	oifName  string
	mark     uint32
	tos      uint8
	uid      uint32
	protocol uint8
	port     uint16
	sport    uint16
	anyMark  bool
}

func newLookup(q Query) (*lookup, syscall.Errno, error) {
	l := &lookup{
		family: syscall.AF_INET, to: q.To.Unmap(), from: q.From.Unmap(), mark: q.Mark,
		tos: q.TOS &^ 3, uid: uint32(os.Geteuid()), protocol: q.Protocol, port: q.Port, sport: q.LocalPort, anyMark: q.AnyMark,
	}
	if !l.to.IsValid() {
		return nil, 0, fmt.Errorf("no destination address: %w", os.ErrInvalid)
	}
	if l.from.IsValid() && l.from.Is4() != l.to.Is4() {
		return nil, 0, fmt.Errorf("source %v is of the other address family: %w", l.from, os.ErrInvalid)
	}
	if l.to.Is6() {
		l.family = syscall.AF_INET6
	}
	if l.protocol == 0 {
		l.protocol = syscall.IPPROTO_TCP
	}
	if l.from.IsUnspecified() {
		l.from = netip.Addr{}
	}
	name := q.Interface
	if name == "" {
		name = l.to.Zone()
	}
	l.to, l.from = l.to.WithZone(""), l.from.WithZone("")
	index, exists, err := interfaceIndex(name)
	switch {
	case err != nil:
		return nil, 0, err
	case !exists:
		return nil, syscall.ENODEV, nil
	}
	l.oif, l.oifName = index, name
	return l, 0, nil
}

// fill asks and writes the answer into route.
func (l *lookup) fill(c *sys.Netlink, route *evidence.Route) error {
	m, errno, err := l.settle(c)
	switch {
	case err != nil:
		return err
	case errno != 0:
		route.Errno = evidence.Errno(sys.ErrnoName(errno))
		return l.explain(c, errno, route)
	}
	route.Type, route.Table, route.Index = routeTypeName(m.typ), int(m.table), m.oif
	route.Gateway, route.Source, route.MTU = m.gateway, m.source, int(m.mtu)
	if l.to.IsMulticast() && m.typ == syscall.RTN_UNICAST {
		route.Type = routeTypeName(syscall.RTN_MULTICAST) // IPv6 before Linux 4.20
	}
	if entry, errno, err := l.get(c, rtmFIBMatch); err == nil && errno == 0 &&
		entry.table == m.table && entry.prefix.Contains(l.to) {
		route.Prefix = entry.prefix
	}
	if m.table == syscall.RT_TABLE_MAIN && m.typ != syscall.RTN_UNICAST {
		// Until a policy rule is added IPv4 keeps local and main in one tree and
		// calls both main (fib_trie_unmerge).
		route.Table = 0
	}
	if m.oif <= 0 {
		return nil
	}
	link, err := askLink(c, m.oif, "")
	if err == nil {
		route.Interface = link.Name
	}
	return err
}

// settle asks until source and interface are those that the socket would use.
func (l *lookup) settle(c *sys.Netlink) (m routeMsg, errno syscall.Errno, err error) {
	bound := l.from
	m, errno, err = l.get(c, 0)
	switch v4 := l.family == syscall.AF_INET; {
	case err != nil:
		return m, errno, err
	case errno != 0 && v4 && bound.IsValid():
		// The look-up refuses a source that is not on this host; a socket
		// which was allowed to bind it is not refused (FLOWI_FLAG_ANYSRC).
		local, err := addressIsLocal(c, bound)
		if err != nil || local {
			return m, errno, err
		}
		l.from = netip.Addr{}
		m, errno, err = l.get(c, 0)
		m.source = bound
		return m, errno, err
	case errno != 0:
		return m, errno, nil
	case !v4 && bound.IsValid() && l.oif != 0 && m.oif != l.oif:
		// A bound socket's look-up insists on its interface; this one, which
		// has no socket, does so only without a source (ip6_route_output_flags).
		l.from = netip.Addr{}
		m, errno, err = l.get(c, 0)
	case v4 && !bound.IsValid() && m.source.IsValid():
		// connect(2) looks up again with the source that it chose, so that
		// rules "from" that source count (ip_route_connect).
		bound, l.from = m.source, m.source
		m, errno, err = l.get(c, 0)
	}
	if bound.IsValid() {
		m.source = bound
	}
	return m, errno, err
}

// get asks for one route. The kernel's own refusal is errno; err means that it
// could not be asked. IPv6 reports a reject route either way, depending on the
// kernel's version (inet6_rtm_getroute).
func (l *lookup) get(c *sys.Netlink, flags uint32) (m routeMsg, errno syscall.Errno, err error) {
	ok := false
	err = c.Ask(syscall.RTM_GETROUTE, 0, l.request(flags), func(_ uint16, payload []byte) bool {
		m, ok = parseRoute(payload)
		return false
	})
	switch e, refused := err.(syscall.Errno); {
	case refused:
		return m, e, nil
	case err != nil:
		return m, 0, err
	case !ok:
		return m, 0, os.NewSyscallError("RTM_GETROUTE", syscall.EBADMSG)
	}
	if m.errno == 0 && m.family == syscall.AF_INET6 {
		m.errno = rejectErrno(m.typ)
	}
	return m, m.errno, nil
}

// request builds a struct rtmsg with its attributes.
func (l *lookup) request(flags uint32) []byte {
	b := make([]byte, syscall.SizeofRtMsg, 128)
	b[0], b[3] = l.family, l.tos
	b[1] = byte(l.to.BitLen())
	if l.family == syscall.AF_INET {
		flags |= rtmLookupTable // IPv6 tells the table without being asked, and refuses the flag
	}
	binary.NativeEndian.PutUint32(b[8:], flags)
	b = appendAttr(b, syscall.RTA_DST, l.to.AsSlice())
	if l.from.IsValid() {
		b[2] = byte(l.from.BitLen())
		b = appendAttr(b, syscall.RTA_SRC, l.from.AsSlice())
	}
	if l.oif != 0 {
		b = appendAttr32(b, syscall.RTA_OIF, uint32(l.oif))
	}
	if l.mark != 0 {
		b = appendAttr32(b, rtaMark, l.mark)
	}
	// A socket belongs to the effective user; the default here would be the
	// real one (inet_rtm_getroute).
	b = appendAttr32(b, rtaUID, l.uid)
	b = appendAttr(b, rtaIPProto, []byte{l.protocol})
	if l.port != 0 {
		b = appendAttr(b, rtaDport, binary.BigEndian.AppendUint16(nil, l.port))
	}
	if l.sport != 0 {
		b = appendAttr(b, rtaSport, binary.BigEndian.AppendUint16(nil, l.sport))
	}
	return b
}
