package dialscope

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/netlink"
	"github.com/dialscope/dialscope/internal/host/procfs"
	"github.com/dialscope/dialscope/internal/host/sock"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// examination is what this host itself knows about an attempt: how it would
// send the packet, to whom, and what it has counted. It is made after a
// failure, and with Thorough around every attempt. What cannot be seen is
// written down as Unseen.
type examination struct {
	*run
	*sock.Recorder
	cfg       *sock.Config
	route     *evidence.Route
	neighbour string // its last state
	before    *netlink.Snapshot
	schedule  *evidence.Schedule
	linkSeen  bool
	rules     *rules // nil: not looked at

	follower    KernelFollower // nil: nobody listens to the kernel
	deaf        error          // why it hears nothing
	heardKernel bool
	later       bool // the connection is established: it is about its later packets
	filtered    bool // a filter dropped a packet of the attempt

	*experiments        // nil: none are made
	*captured           // nil: nothing is
	blind        string // why none are
}

// examine looks before the attempt.
func (r *run) examine(rec *sock.Recorder, cfg *sock.Config) *examination {
	x := &examination{run: r, Recorder: rec, cfg: cfg}
	x.follow()
	x.seeRoute()
	if cfg.Network[0] == 't' {
		x.seeSchedule()
	}
	ifname := ""
	if x.route != nil {
		ifname = x.route.Interface
	}
	before, err := netlink.TakeCounters(ifname)
	if x.unseen("counters", err) {
		x.before = before
	}
	x.seeRulesBefore()
	if r.Packets {
		x.capturePackets()
	}
	return x
}

// unseen writes down that something could not be looked at; true when it could.
func (x *examination) unseen(what string, err error) bool {
	if err != nil {
		x.Add(evidence.FromFeature, &evidence.Unseen{What: what, Why: err.Error()})
	}
	return err == nil
}

func (x *examination) seeRoute() {
	q := netlink.Query{
		To: x.cfg.Remote.Addr(), From: x.cfg.Local.Addr(), Interface: x.cfg.Interface, Mark: x.cfg.Mark, TOS: x.cfg.TOS,
		Protocol: syscall.IPPROTO_TCP, Port: x.cfg.Remote.Port(), LocalPort: x.cfg.Local.Port(), AnyMark: x.cfg.Control != nil,
	}
	if x.cfg.Network[0] == 'u' {
		q.Protocol = syscall.IPPROTO_UDP
	}
	route, err := netlink.RouteTo(q)
	if x.unseen("route", err) {
		x.route = route
		x.Add(evidence.FromRtnetlink, route)
	}
}

// seeSchedule predicts the SYNs from the settings that hold here.
func (x *examination) seeSchedule() {
	p := tcpstate.SYNParams{Retries: x.cfg.SYNRetries, UserTimeout: x.cfg.UserTimeout}
	if p.Retries == 0 {
		p.Retries = x.sysctl("net.ipv4.tcp_syn_retries", tcpstate.DefaultSYNRetries)
	}
	p.Linear = x.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0) // absent before Linux 6.5
	if ms := x.sysctl("net.ipv4.tcp_rto_max_ms", 0); ms > 0 {
		p.MaxRTO = time.Duration(ms) * time.Millisecond
	}
	s := p.Schedule()
	x.schedule = &evidence.Schedule{Resend: s.Resend, End: s.End, Retries: p.Retries, Linear: p.Linear, Limit: s.Limit}
	x.Add(evidence.FromPrediction, x.schedule)
}

// sysctl reads a number, and files it.
func (x *examination) sysctl(name string, otherwise int) int {
	f, err := procfs.Sysctl(name)
	if err != nil {
		return otherwise
	}
	x.Add(evidence.FromProcfs, f)
	n, err := strconv.Atoi(f.Value)
	if err != nil {
		return otherwise
	}
	return n
}

// checkpoints are the moments at which something may have changed: shortly
// after each predicted SYN (the kernel's timers run up to a few percent late),
// and early, when the neighbour should have answered.
func (x *examination) checkpoints() []time.Duration {
	at := []time.Duration{100 * time.Millisecond, 300 * time.Millisecond}
	if x.schedule != nil {
		for _, s := range x.schedule.Resend {
			at = append(at, s+30*time.Millisecond, s+s/20+100*time.Millisecond)
		}
	}
	if x.experiments != nil {
		at = append(at, x.decisions()...)
	}
	slices.SortFunc(at, cmp.Compare[time.Duration])
	return at
}

func (x *examination) atCheckpoint(fd int) {
	x.seeNeighbour()
	x.hearKernel()
	x.seePackets()
	x.experimentBeside(fd)
}

// seeNeighbour reads the next hop's ARP or ND entry, and files it when its state is news.
func (x *examination) seeNeighbour() {
	if x.route == nil || x.route.Errno != "" || x.route.Type != "unicast" {
		return
	}
	next, gateway := x.route.To, false
	if x.route.Gateway.IsValid() {
		next, gateway = x.route.Gateway, true
	}
	n, err := netlink.NeighbourOf(next.WithZone(""), x.route.Index, gateway)
	if err != nil {
		if x.neighbour == "" {
			x.unseen("neighbour", err)
			x.neighbour = "unseen"
		}
		return
	}
	if n.State != x.neighbour {
		x.neighbour = n.State
		x.Add(evidence.FromRtnetlink, n)
	}
}

// afterwards looks once the attempt has ended; err is its error.
func (x *examination) afterwards(err error) {
	x.hearKernel()
	defer func() { x.endFollow(err != nil) }()
	x.seePackets()
	defer x.endCapture()
	if err == nil {
		x.experimentAfterwards(nil)
		x.experimentWithSize()
		info, _, sent := evidence.Last[*evidence.TCPInfo](x.Log)
		moments, _, watched := evidence.Last[*evidence.FirstMoments](x.Log)
		if sent && info.TotalRetrans > 0 || watched && moments.Reset {
			x.seeCounters()
		}
		return
	}
	if c, _, ok := evidence.Last[*evidence.Cancelled](x.Log); ok && c.By == "race" {
		return
	}
	x.seeCounters()
	if x.route == nil {
		x.seeRoute()
	}
	x.seeNeighbour()
	x.seeLink()
	x.seeRules()
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		x.askAbout(errno)
	case errors.Is(err, sock.ErrExpired), errors.Is(err, sock.ErrCancelled):
		x.askAboutSilence()
	}
	x.experimentAfterwards(err)
	x.seeNoPackets()
}

func (x *examination) seeCounters() {
	if x.before == nil {
		return
	}
	ifname := ""
	if x.route != nil {
		ifname = x.route.Interface
	}
	after, err := netlink.TakeCounters(ifname)
	if !x.unseen("counters", err) {
		return
	}
	for _, c := range x.before.Rise(after) {
		x.Add(evidence.FromProcfs, c)
	}
}

func (x *examination) seeLink() {
	if x.linkSeen {
		return
	}
	x.linkSeen = true
	switch {
	case x.route != nil && x.route.Index != 0:
		if l, err := netlink.LinkByIndex(x.route.Index); x.unseen("link", err) {
			x.Add(evidence.FromRtnetlink, l)
		}
	case x.cfg.Interface != "":
		if l, err := netlink.LinkByName(x.cfg.Interface); x.unseen("link", err) {
			x.Add(evidence.FromRtnetlink, l)
		}
	case x.route != nil && x.route.Errno != "":
		// No route, perhaps because the interface that had one is down.
		down, err := netlink.LinksDown()
		if x.unseen("links", err) {
			for _, l := range down {
				x.Add(evidence.FromRtnetlink, l)
			}
		}
	}
}

// askAbout asks what can explain one errno.
func (x *examination) askAbout(errno syscall.Errno) {
	switch errno {
	case syscall.ECONNREFUSED:
		x.seeListener()
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN:
		x.seeSource()
	case syscall.EMFILE, syscall.ENFILE:
		if l, err := procfs.NoFile(); x.unseen("limits", err) {
			x.Add(evidence.FromRlimit, l)
		}
		if l, err := procfs.FileMax(); err == nil {
			x.Add(evidence.FromProcfs, l)
		}
	case syscall.EPERM, syscall.EACCES, syscall.EAFNOSUPPORT:
		x.seeSecurity(errno)
		x.seeConntrack()
	case syscall.EHOSTUNREACH:
		if x.cfg.HopLimit == 0 {
			x.seeHopLimit()
		}
	case syscall.ETIMEDOUT:
		x.askAboutSilence()
	}
	if x.cfg.Remote.Addr().Is6() {
		x.seeIPv6Off(errno)
	}
}

// seeSecurity asks which policies hold for this process.
func (x *examination) seeSecurity(errno syscall.Errno) {
	s, err := procfs.Security()
	if !x.unseen("security", err) {
		return
	}
	if errno == syscall.EPERM {
		programs, err := procfs.ConnectPrograms()
		if x.unseen("cgroup_programs", err) {
			s.Programs = programs
		}
	}
	x.Add(evidence.FromProcfs, s)
}

// seeIPv6Off reads where this host switches IPv6 off: on the route's interface
// or, where there is no route, on any.
func (x *examination) seeIPv6Off(errno syscall.Errno) {
	const most = 16 // interfaces that are looked at
	off := func(iface string) {
		x.sysctlText("net.ipv6.conf." + strings.ReplaceAll(iface, ".", "/") + ".disable_ipv6")
	}
	off("all")
	switch {
	case x.route != nil && x.route.Interface != "" && x.route.Errno == "":
		off(x.route.Interface)
	case errno == syscall.ENETUNREACH || errno == syscall.EADDRNOTAVAIL || errno == syscall.EACCES:
		all, err := net.Interfaces()
		if !x.unseen("links", err) {
			return
		}
		if len(all) > most {
			x.Add(evidence.FromFeature, &evidence.Unseen{What: "links", Why: fmt.Sprintf("only %d of %d interfaces were asked for disable_ipv6", most, len(all))})
		}
		for _, i := range all[:min(len(all), most)] {
			if i.Flags&net.FlagLoopback == 0 {
				off(i.Name)
			}
		}
	}
}

// seeHopLimit reads the TTL that this host gives its packets.
func (x *examination) seeHopLimit() {
	if x.cfg.Remote.Addr().Is4() {
		x.sysctlText("net.ipv4.ip_default_ttl")
	} else if x.route != nil && x.route.Interface != "" {
		x.sysctlText("net.ipv6.conf." + x.route.Interface + ".hop_limit")
	}
}

func (x *examination) sysctlText(name string) {
	f, err := procfs.Sysctl(name)
	if errors.Is(err, fs.ErrNotExist) {
		return // this kernel has no such setting
	}
	if x.unseen("sysctl", err) {
		x.Add(evidence.FromProcfs, f)
	}
}

// askAboutSilence asks what can explain that no answer came. Many dials of a
// program often reach their deadline together, so that what costs more than a
// few microseconds is left to a thorough dial.
func (x *examination) askAboutSilence() {
	x.seeListener()
	if x.Thorough || x.filtered {
		x.seeConntrack()
	}
}

// seeListener asks whether this host listens at the destination, where the
// destination is this host.
func (x *examination) seeListener() {
	if x.route == nil || x.route.Type != "local" || x.cfg.Network[0] != 't' {
		return
	}
	ask := netlink.ListenerSocket
	if x.Thorough {
		ask = netlink.ListenerAt
	}
	if l, err := ask(x.cfg.Remote); x.unseen("listener", err) {
		x.Add(evidence.FromSockDiag, l)
	}
}

func (x *examination) seeConntrack() {
	if c, err := procfs.Conntrack(); err == nil && c != nil {
		x.Add(evidence.FromProcfs, c)
	}
}

// seeSource asks what is wrong with the source address or port.
func (x *examination) seeSource() {
	local := x.cfg.Local
	if a := local.Addr(); a.IsValid() && !a.IsUnspecified() {
		if h, err := netlink.Address(a); x.unseen("host_addr", err) {
			x.Add(evidence.FromRtnetlink, h)
		}
	}
	if local.Port() != 0 {
		x.seeHolder(local)
		return
	}
	source := local.Addr()
	if x.route != nil && !source.IsValid() {
		source = x.route.Source
	}
	p, err := netlink.PortsWithin(source, x.cfg.Remote, x.cfg.Network[:3], x.cfg.LocalPorts[0], x.cfg.LocalPorts[1])
	if x.unseen("ports", err) {
		x.Add(evidence.FromSockDiag, p)
		x.sysctlText("net.ipv4.tcp_tw_reuse")
	}
}

// seeHolder asks who has the local address and port that could not be had.
func (x *examination) seeHolder(local netip.AddrPort) {
	if !local.Addr().IsValid() {
		any := netip.IPv4Unspecified()
		if x.cfg.Remote.Addr().Is6() {
			any = netip.IPv6Unspecified()
		}
		local = netip.AddrPortFrom(any, local.Port())
	}
	ask := netlink.HolderOf
	if x.cfg.Network[0] == 'u' {
		ask = netlink.UDPHolderOf
	}
	if h, err := ask(local); x.unseen("holder", err) && h != nil {
		x.Add(evidence.FromSockDiag, h)
	}
}
