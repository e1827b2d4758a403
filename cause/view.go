package cause

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// view is one attempt's log, read once: what the rules look at. A nil field
// was not observed.
type view struct {
	network string
	remote  netip.AddrPort
	log     evidence.Log
	took    time.Duration

	call     *evidence.Call // the call that ended the attempt before connect(2)
	connect  *evidence.Connect
	soError  *evidence.SOError
	ready    *evidence.Ready
	info     *evidence.TCPInfo // the last
	local    *evidence.LocalAddr
	icmp     *evidence.ICMP // the one that ended the attempt, else the last
	soft     bool           // icmp did not end the attempt: it is what stood when the deadline passed
	moments  *evidence.FirstMoments
	datagram *evidence.Datagram
	expired  *evidence.Expired
	gaveUp   *evidence.Cancelled

	route     *evidence.Route
	neighbour *evidence.Neighbour
	link      *evidence.Link   // of the route, or the one asked for
	down      []*evidence.Link // links that are down, where there was no route
	hostAddr  *evidence.HostAddr
	ports     *evidence.Ports
	listener  *evidence.Listener
	holder    *evidence.Holder
	limits    []*evidence.Limit
	conntrack *evidence.Conntrack
	security  *evidence.Security
	schedule  *evidence.Schedule
	filterOut *evidence.Filter // of this host, for the attempt's packet
	filterIn  *evidence.Filter // and for the answer
	sysctls   map[string]string
	rises     map[string]int64 // counters, a link's as "link.tx_packets"
	hidden    map[string]bool  // what could not be looked at: see [evidence.Unseen]

	kernel  kernel   // what the kernel of this host said
	survey  *survey  // what experiments found; nil: none were made
	packets *packets // what was captured; nil: nothing was
	end     *ending  // how the established connection ended; nil: the log is about its beginning

	connectAt time.Duration // when connect(2) was called
	infoAt    time.Duration // when TCP_INFO was read last
	countedAt time.Duration // when counters were read last
	endedAt   time.Duration // when the outcome was known

	errno   evidence.Errno
	outcome Outcome
}

func look(network string, a *evidence.Attempt) *view {
	v := &view{network: network, remote: a.Remote, log: a.Log, took: a.Took, endedAt: a.Took}
	for _, e := range a.Log {
		switch f := e.Fact.(type) {
		case *evidence.Call:
			if f.Errno != "" && f.Arg != "IPPROTO_MPTCP" && !strings.HasSuffix(f.Arg, "RECVERR=1") {
				v.call, v.endedAt = f, e.At
			}
		case *evidence.Connect:
			v.connect, v.connectAt, v.endedAt = f, e.At, e.At
		case *evidence.Ready:
			v.ready = f
		case *evidence.SOError:
			v.soError, v.endedAt = f, e.At
		case *evidence.TCPInfo:
			v.info, v.infoAt = f, e.At
		case *evidence.LocalAddr:
			v.local = f
		case *evidence.FirstMoments:
			v.moments = f
		case *evidence.Datagram:
			v.datagram, v.endedAt = f, e.At
		case *evidence.Expired:
			v.expired, v.endedAt = f, e.At
		case *evidence.Cancelled:
			v.gaveUp, v.endedAt = f, e.At
		case *evidence.Route:
			v.route = f
		case *evidence.Neighbour:
			v.neighbour = f
		case *evidence.Link:
			if v.route != nil && v.route.Interface == "" && !f.Up && f.Exists {
				v.down = append(v.down, f)
			} else {
				v.link = f
			}
		case *evidence.HostAddr:
			v.hostAddr = f
		case *evidence.Ports:
			v.ports = f
		case *evidence.Listener:
			v.listener = f
		case *evidence.Holder:
			v.holder = f
		case *evidence.Limit:
			v.limits = append(v.limits, f)
		case *evidence.Conntrack:
			v.conntrack = f
		case *evidence.Security:
			v.security = f
		case *evidence.Schedule:
			v.schedule = f
		case *evidence.Sysctl:
			if v.sysctls == nil {
				v.sysctls = make(map[string]string)
			}
			v.sysctls[f.Name] = f.Value
		case *evidence.Filter:
			if f.Packet == evidence.FilterIn {
				v.filterIn = f
			} else {
				v.filterOut = f
			}
		case *evidence.Unseen:
			if v.hidden == nil {
				v.hidden = make(map[string]bool)
			}
			v.hidden[f.What] = true
		case *evidence.Counters:
			v.count(f)
			v.countedAt = e.At
		}
	}
	for i := range a.Log {
		v.kernel.read(&a.Log[i], v.connectAt)
	}
	v.end = readEnd(a.Log)
	v.outcome, v.errno = v.judgeOutcome()
	v.icmp = v.decidingICMP()
	v.packets = readPackets(v.log)
	v.survey = readProbes(v, evidence.All[*evidence.Probe](v.log))
	return v
}

// count files counters; the last reading of a name holds, but see ofProbes.
func (v *view) count(f *evidence.Counters) {
	if v.rises == nil {
		v.rises = make(map[string]int64)
	}
	prefix := ""
	if scope, _, is := strings.Cut(f.Scope, ":"); is {
		prefix = scope + "."
	} else if f.Scope == "conntrack" {
		prefix = "conntrack."
	}
	for name, n := range f.Rise {
		if _, read := v.rises[prefix+name]; !read || !ofProbes[prefix+name] {
			v.rises[prefix+name] = n
		}
	}
}

// ofProbes are the counters that experiments move as well. They are read before
// the first of them, and a later reading does not count.
var ofProbes = map[string]bool{
	"link.tx_packets": true, "link.rx_packets": true, "Ip.OutTransmits": true, "Ip6.OutTransmits": true, "Tcp.OutRsts": true,
}

// judgeOutcome is what an application would have seen.
func (v *view) judgeOutcome() (Outcome, evidence.Errno) {
	pending := func(e evidence.Errno) bool { return e == "" || e == "EINPROGRESS" || e == "EINTR" }
	switch {
	case v.end != nil:
		return v.end.judge()
	case v.connect == nil && v.call != nil:
		return OutcomeOf(v.call.Errno), v.call.Errno
	case v.connect != nil && !pending(v.connect.Errno):
		return OutcomeOf(v.connect.Errno), v.connect.Errno
	case v.soError != nil && v.soError.Errno != "" && !v.soError.Soft:
		return OutcomeOf(v.soError.Errno), v.soError.Errno
	case v.datagram != nil && v.datagram.SendErrno != "":
		return OutcomeOf(v.datagram.SendErrno), v.datagram.SendErrno
	case v.datagram != nil && v.datagram.RecvErrno != "":
		return OutcomeOf(v.datagram.RecvErrno), v.datagram.RecvErrno
	case v.gaveUp != nil:
		return Cancelled, ""
	case v.expired != nil:
		return Timeout, ""
	case v.moments != nil && v.moments.Reset:
		return Reset, "ECONNRESET" // what the next read gives (tcp_reset)
	case v.moments != nil && v.moments.FIN && v.moments.Bytes == 0:
		return Closed, ""
	case v.connect != nil && (v.soError != nil || !v.tcp()):
		return Open, ""
	case v.call != nil:
		return OutcomeOf(v.call.Errno), v.call.Errno
	}
	return LocalFault, "" // the measurement itself failed: there is no result in the log
}

// decidingICMP is the queued error behind the outcome's errno. An error that
// came early and did not end the attempt decides nothing: the kernel went on
// (a soft error, or an ICMP that another packet provoked).
func (v *view) decidingICMP() *evidence.ICMP {
	var last *evidence.ICMP
	for _, e := range v.log {
		f, is := e.Fact.(*evidence.ICMP)
		if !is || v.end != nil && e.At <= v.endedAt { // of the handshake, which it did not end
			continue
		}
		switch {
		case f.Errno == "EMSGSIZE": // path MTU discovery, which ends nothing
		case f.Errno == v.errno && v.errno != "":
			last = f
		case v.outcome == Timeout && v.errno == "":
			// It came while connect(2) held the socket, so that the kernel kept it
			// as a soft error (tcp_v4_err), and our deadline passed first.
			last, v.soft = f, true
		}
	}
	return last
}

func (v *view) tcp() bool { return strings.HasPrefix(v.network, "tcp") }

// connected says that a handshake was completed.
func (v *view) connected() bool {
	if !v.tcp() || v.connect == nil || v.soError == nil {
		return false
	}
	return v.soError.Errno == "" || v.soError.Soft || v.soError.Errno == "ECONNRESET"
}

// sync says that connect(2) itself returned the error, before any packet could
// have been answered.
func (v *view) sync() bool {
	return v.connect != nil && v.connect.Errno == v.errno && v.errno != ""
}

// before says that a call other than connect(2) failed.
func (v *view) before(call string) bool {
	return v.connect == nil && v.call != nil && v.call.Call == call
}

// silent says that nothing at all came back: as far as is known, nothing reached
// this host.
func (v *view) silent() bool { return v.unanswered() && !v.answeredHere() }

// unanswered says that the socket asked and had no answer.
func (v *view) unanswered() bool {
	return v.icmp == nil && v.outcome == Timeout && v.connect != nil && (v.info == nil || v.info.State != "ESTABLISHED")
}

// waited is how long an answer was waited for.
func (v *view) waited() time.Duration { return v.endedAt - v.connectAt }

// shaken is how long the handshake took. A busy host sees late that it is over;
// the kernel knows when, to a tick of its clock.
func (v *view) shaken() time.Duration {
	took := v.waited()
	if v.info == nil || !v.connected() || v.info.SinceACK <= 0 {
		return took
	}
	return max(0, min(took, v.infoAt-v.info.SinceACK-v.connectAt))
}

// toSelf says that the destination is an address of this host, as far as is known.
func (v *view) toSelf() bool {
	if v.route != nil && v.route.Errno == "" {
		return v.route.Type == "local"
	}
	return v.remote.Addr().IsLoopback()
}

// onLink says that no router is passed; false when it is not known.
func (v *view) onLink() bool { return v.route != nil && v.route.Errno == "" && v.route.OnLink() }

// rose is a counter's rise; seen is false when it was not observed.
func (v *view) rose(name string) (n int64, seen bool) {
	n, seen = v.rises[name]
	return n, seen
}

// increased says that a counter was seen to rise.
func (v *view) increased(name string) bool { return v.rises[name] > 0 }

// still says that a counter was observed and did not move, which rules out
// what it counts.
func (v *view) still(name string) bool {
	n, seen := v.rises[name]
	return seen && n == 0
}

// failedHere is how many of the attempt's own SYNs could not be sent again, at
// least. The counter is the whole network namespace's: as many failures as other
// sockets' segments were sent again may be theirs (__tcp_retransmit_skb).
func (v *view) failedHere() int64 {
	failed, _ := v.rose("TcpExt.TCPRetransFail")
	if all, known := v.rose("Tcp.RetransSegs"); known {
		failed -= max(0, all-int64(v.resent()))
	}
	return max(0, failed)
}

// resent is how many times the SYN was sent again.
func (v *view) resent() int {
	if v.info == nil {
		return 0
	}
	return int(max(v.info.TotalRetrans, uint32(v.info.Retransmits)))
}

// SYNs is how many SYNs an attempt sent, as TCP_INFO counts them: 0 when none
// was, 1 when it is not known that one was sent again.
func SYNs(a *evidence.Attempt) int {
	n := 0
	for _, e := range a.Log {
		switch f := e.Fact.(type) {
		case *evidence.Connect:
			switch f.Errno {
			case "", "EINPROGRESS", "EINTR", "ECONNREFUSED", "ETIMEDOUT":
				n = 1
			}
		case *evidence.TCPInfo:
			if n > 0 && (f.State == "SYN_SENT" || f.State == "CLOSE" || f.State == "ESTABLISHED" || f.State == "CLOSE_WAIT") {
				n = max(n, 1+int(f.TotalRetrans))
			}
		case *evidence.Datagram:
			return 0
		}
	}
	return n
}

// Latency is how long an attempt waited for its answer, from connect(2) on; for
// a datagram, from its sending on. It is false when none came.
func Latency(network string, a *evidence.Attempt) (time.Duration, bool) {
	v := look(network, a)
	switch {
	case v.connect == nil, v.sync(), v.expired != nil, v.gaveUp != nil:
		return 0, false
	case v.datagram != nil:
		return v.datagram.Waited, v.datagram.Answered || v.datagram.RecvErrno != ""
	}
	return v.waited(), v.soError != nil
}

// fromHere says that an ICMP error was made by this host.
func (v *view) fromHere(i *evidence.ICMP) bool {
	switch {
	case i.Local || i.Offender.IsLoopback() && !v.remote.Addr().IsLoopback():
		return true
	case v.local != nil && i.Offender == v.local.Addr.Addr():
		return true
	case v.route != nil && v.route.Source.IsValid() && i.Offender == v.route.Source:
		return true
	}
	return v.toSelf()
}

// knowsOwn says that an address of this host is known, so that a stranger's
// can be told from it.
func (v *view) knowsOwn() bool {
	return v.local != nil || v.route != nil && v.route.Source.IsValid()
}

// hopLimit is the TTL that the caller asked for; 0: none.
func (v *view) hopLimit() int {
	for _, c := range evidence.All[*evidence.Call](v.log) {
		name, value, _ := strings.Cut(c.Arg, "=")
		if c.Errno == "" && (name == "IP_TTL" || name == "IPV6_UNICAST_HOPS") {
			n, err := strconv.Atoi(value)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// extent is how far this host's settings switch IPv6 off.
type extent uint8

const (
	on        extent = iota // nowhere, as far as is known
	partlyOff               // on some interfaces, not on others
	off                     // on every interface that was looked at
)

// ipv6Off reads disable_ipv6 of the interfaces; that of "all" is only what was
// written to all of them at one time (addrconf_disable_change), and counts
// where no interface's own is known.
func (v *view) ipv6Off() extent {
	if !v.remote.Addr().Is6() {
		return on
	}
	var disabled, enabled bool
	for name, value := range v.sysctls {
		iface, is := strings.CutPrefix(strings.TrimSuffix(name, ".disable_ipv6"), "net.ipv6.conf.")
		if !is || !strings.HasSuffix(name, ".disable_ipv6") || iface == "all" || iface == "lo" {
			continue
		}
		disabled, enabled = disabled || value == "1", enabled || value == "0"
	}
	switch {
	case disabled && enabled:
		return partlyOff
	case disabled, !enabled && v.sysctls["net.ipv6.conf.all.disable_ipv6"] == "1":
		return off
	}
	return on
}

// software says that the route's interface counts a packet in the moment in
// which it is sent. Hardware may count late, a tun device counts when its
// program reads (tun_put_user), and WireGuard when the packet is encrypted for a
// peer that it has shaken hands with (wg_packet_create_data_done).
func (v *view) software() bool {
	return v.link != nil && (v.link.Loopback || slices.Contains([]string{"veth", "bridge", "dummy", "ipip", "gre", "vlan", "macvlan"}, v.link.Type))
}
