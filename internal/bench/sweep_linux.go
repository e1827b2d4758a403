package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// The swept network: every address of it is the server's. On the server two
// ports are open, some are dropped in silence, and all others refuse.
const (
	sweptFirst = "10.200.0.0"
	swept      = sweptFirst + "/16"

	sweptOpen = 7000
	sweptShut = 7001
	sweptMute = 7002
	muteFirst = 7100 // and 15 more

	// Of what goes to this port and the seven after it one packet in a hundred
	// is lost; the first is open.
	lossyOpen = 7010
)

// sweepOptions are how much to sweep.
type sweepOptions struct {
	rounds int
	bits   int // of the prefix that is swept; a wide one gives steadier figures
	only   []string
}

func parseSweepOptions(args []string) (sweepOptions, error) {
	o := sweepOptions{}
	fs := flag.NewFlagSet("scripts/bench sweep", flag.ContinueOnError)
	fs.IntVar(&o.rounds, "rounds", 5, "rounds of each comparison, after one that is not counted")
	fs.IntVar(&o.bits, "bits", 16, "prefix length of what is swept, 16 to 24: 16 is 65,536 targets")
	quick := fs.Bool("quick", false, "less of it all: does it run?")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.rounds, o.bits = 1, 20
	}
	if o.rounds < 1 || o.bits < 16 || o.bits > 24 {
		return o, errors.New("rounds is a number above 0, and bits one from 16 to 24")
	}
	o.only = fs.Args()
	for _, name := range o.only {
		if _, known := workloads(o.bits)[name]; !known {
			return o, fmt.Errorf("no workload %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(workloads(o.bits))), ", "))
		}
	}
	if o.only == nil {
		o.only = usual
	}
	return o, nil
}

// orchestrateSweep starts who listens, and lets the client measure.
func orchestrateSweep(args []string) error {
	o, err := parseSweepOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return onStage("sweepfloor", func(s *stage) error {
		if err := s.swept(); err != nil {
			return err
		}
		if err := s.client("sweepclient", s.work, o.rounds, o.bits, strings.Join(o.only, ",")); err != nil {
			return err
		}
		fmt.Printf("\nreproduce: scripts/bench sweep -rounds %d -bits %d %s\n", o.rounds, o.bits, strings.Join(o.only, " "))
		return nil
	})
}

// swept makes every address of a network the server's, and its ports what they
// are to be.
func (s *stage) swept() error {
	network := netip.MustParsePrefix(swept)
	if err := s.here.AddRoute(network, netip.MustParseAddr(far)); err != nil {
		return err
	}
	dst, err := netlink.ParseIPNet(swept)
	if err != nil {
		return err
	}
	const loopback, localTable = 1, 255 // LOOPBACK_IFINDEX, RT_TABLE_LOCAL
	if err := s.there.Netlink().RouteAdd(&netlink.Route{
		Dst: dst, LinkIndex: loopback, Table: localTable, Type: syscall.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
	}); err != nil {
		return fmt.Errorf("local route: %w", err)
	}
	drop := func(port uint16, percent uint32) netns.Rule {
		m := netns.Match{Protocol: netns.TCP, Dport: port, Percent: percent}
		return netns.Rule{Hook: netns.Input, Match: m, Verdict: netns.Drop()}
	}
	var rules []netns.Rule
	for _, port := range append([]uint16{sweptMute}, mutePorts()...) {
		rules = append(rules, drop(port, 0))
	}
	for _, port := range lossyPorts() {
		rules = append(rules, drop(port, 1))
	}
	if _, err := s.there.Firewall(rules...); err != nil {
		return err
	}
	return errors.Join(s.serve(s.there, fmt.Sprintf("0.0.0.0:%d", sweptOpen)), s.serve(s.there, fmt.Sprintf("0.0.0.0:%d", lossyOpen)))
}

// from are n ports.
func from(first uint16, n int) []uint16 {
	ports := make([]uint16, n)
	for i := range ports {
		ports[i] = first + uint16(i)
	}
	return ports
}

func mixedPorts() []uint16 { return from(sweptOpen, 8) }
func lossyPorts() []uint16 { return from(lossyOpen, 8) }
func mutePorts() []uint16  { return from(muteFirst, 16) }
