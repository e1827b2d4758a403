package cli

import (
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/target"
)

// check finds options that contradict each other.
func (o *options) check(flags *pflag.FlagSet) error {
	set := func(name string) bool { return flags.Changed(name) }
	until := o.untilOpen || o.untilClosed
	udp := strings.HasPrefix(o.network, "udp")
	for _, c := range []struct {
		wrong bool
		text  string
	}{
		{o.v4 && o.v6, "-4 and -6 exclude each other: leave both out for either family"},
		{o.v4 && strings.HasSuffix(o.network, "6"), "-4 and --network " + o.network + " exclude each other: remove one"},
		{o.v6 && strings.HasSuffix(o.network, "4"), "-6 and --network " + o.network + " exclude each other: remove one"},
		{o.json && o.quiet, "--json and --quiet exclude each other: remove one"},
		{o.quiet && o.verbose, "--quiet and --verbose exclude each other: remove one"},
		{o.untilOpen && o.untilClosed, "--until-open and --until-closed exclude each other: remove one"},
		{until && set("count"), "--count and --until-… exclude each other: bound the wait with --for"},
		{o.count < 0, "--count cannot be negative: write 0 to go on until interrupted"},
		{set("interval") && !until && !set("count"), "--interval is for --count and --until-…: add one of them"},
		{set("for") && !until && flags.Lookup("until-open") != nil, "--for is for --until-open and --until-closed: to bound one dial use --timeout"},
		{!udp && o.payload.text != "", "--payload is UDP's: add --network udp, or remove it"},
		{udp && o.fastOpen, "--fast-open is TCP's: remove it or --network " + o.network},
		{udp && o.mtu, "--mtu is TCP's: remove it or --network " + o.network},
		{udp && o.mptcp, "--mptcp is TCP's: remove it or --network " + o.network},
		{udp && o.userTimeout > 0, "--user-timeout is TCP's: remove it or --network " + o.network},
		{udp && o.synRetries > 0, "--syn-retries is TCP's: remove it or --network " + o.network},
		{o.source.Port() != 0 && o.localPorts.Low != 0, "--source with a port and --local-ports exclude each other: remove the port or the range"},
	} {
		if c.wrong {
			return &usageError{c.text}
		}
	}
	return o.checkSource()
}

// checkSource finds a source of another family than the network's.
func (o *options) checkSource() error {
	if !o.source.Addr().IsValid() || o.source.Addr().IsUnspecified() {
		return nil
	}
	switch is4, wants := o.source.Addr().Is4(), o.dialNetwork(); {
	case is4 && strings.HasSuffix(wants, "6"):
		return usagef("--source %s is an IPv4 address, but only IPv6 is asked for: give an IPv6 source, or drop -6", o.source.Addr())
	case !is4 && strings.HasSuffix(wants, "4"):
		return usagef("--source %s is an IPv6 address, but only IPv4 is asked for: give an IPv4 source, or drop -4", o.source.Addr())
	}
	return nil
}

// checkTarget finds a literal address of another family than asked for.
func (o *options) checkTarget(t target.Target) error {
	addr, literal := t.Addr()
	if !literal {
		return nil
	}
	is4 := addr.Unmap().Is4()
	switch wants := o.dialNetwork(); {
	case is4 && strings.HasSuffix(wants, "6"):
		return usagef("%s is an IPv4 address, but only IPv6 is asked for: drop -6, or give an IPv6 target", t)
	case !is4 && strings.HasSuffix(wants, "4"):
		return usagef("%s is an IPv6 address, but only IPv4 is asked for: drop -4, or give an IPv4 target", t)
	}
	from := o.source.Addr()
	if from.IsValid() && !from.IsUnspecified() && from.Is4() != is4 {
		return usagef("--source %s and the target %s are of different families: give a source of the target's family", from, t)
	}
	return nil
}

// dialNetwork is the network with -4 and -6 applied.
func (o *options) dialNetwork() string {
	base := strings.TrimRight(o.network, "46")
	switch {
	case o.v4:
		return base + "4"
	case o.v6:
		return base + "6"
	}
	return o.network
}

// dialer is the dialer that the options describe.
func (o *options) dialer(t target.Target) *dialscope.Dialer {
	d := &dialscope.Dialer{
		AttemptTimeout: time.Duration(o.attemptTimeout),
		FallbackDelay:  time.Duration(o.fallbackDelay),
		Timeout:        time.Duration(o.timeout),
		Settle:         time.Duration(o.settle),
		UserTimeout:    time.Duration(o.userTimeout),
		SYNRetries:     int(o.synRetries),
		LocalPorts:     o.localPorts.PortRange,
		Interface:      o.iface,
		Mark:           o.mark,
		TOS:            uint8(o.tos),
		HopLimit:       int(o.ttl),
		FastOpen:       o.fastOpen,
		MPTCP:          o.mptcp,
		Nameservers:    o.servers,
		ServiceRecords: o.svcb,
		EveryAddress:   o.all,
		Thorough:       true,
		Packets:        o.packets != "none",
		LargePackets:   o.mtu,
		Probes:         levels[o.probes],
		MaxPackets:     int(o.maxPackets),
		FullTimeout:    o.fullTimeout,
	}
	udp := strings.HasPrefix(o.network, "udp")
	if udp {
		d.UDPProbeName, d.UDPProbe = o.probe(t.Port)
	}
	if o.source.IsValid() {
		if udp {
			d.LocalAddr = net.UDPAddrFromAddrPort(o.source.AddrPort)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(o.source.AddrPort)
		}
	}
	return d
}

// levels are the values of --probes.
var levels = map[string]dialscope.Probes{"": dialscope.AllProbes, "none": dialscope.NoProbes, "few": dialscope.FewProbes, "all": dialscope.AllProbes}
