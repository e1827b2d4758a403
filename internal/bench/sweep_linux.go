package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// The swept network: every address of it is the server's. On the server one
// port is open, one is dropped in silence, and all others refuse.
const (
	sweptFirst = "10.200.0.0"
	swept      = sweptFirst + "/16"
	sweptOpen  = "7000"
	sweptMute  = "7002"

	// Of what goes to these ports one packet in a hundred is lost; the first is open.
	lossyOpen  = "7010"
	lossyPorts = "7010,7011,7012,7013,7014,7015,7016,7017"
)

// sweepOptions are how much to sweep.
type sweepOptions struct {
	rounds int
	bits   int // of the prefix that is swept; a wide one gives steadier figures
	only   string
}

func parseSweepOptions(args []string) (sweepOptions, error) {
	o := sweepOptions{}
	fs := flag.NewFlagSet("scripts/bench sweep", flag.ContinueOnError)
	fs.IntVar(&o.rounds, "rounds", 5, "rounds of each comparison, after one that is not counted")
	fs.IntVar(&o.bits, "bits", 16, "prefix length of what is swept, 16 to 24: 16 is 65,536 targets")
	fs.StringVar(&o.only, "only", "", "the workload whose name begins so")
	quick := fs.Bool("quick", false, "less of it all: does it run?")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.rounds, o.bits = 1, 20
	}
	if o.rounds < 1 || o.bits < 16 || o.bits > 24 || fs.NArg() > 0 {
		return o, errors.New("rounds is a number above 0, bits one from 16 to 24, and there is nothing else to say")
	}
	return o, nil
}

// orchestrateSweep builds the network, starts who listens, and lets the client
// measure.
func orchestrateSweep(args []string) error {
	o, err := parseSweepOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if netns.Supported() != nil && os.Getenv("DIALSCOPE_BENCH_INSIDE") == "" {
		return inside()
	}
	work, err := os.MkdirTemp("", "dialscope-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(work); err != nil {
		return err
	}
	if cc, err := exec.LookPath("cc"); err == nil {
		c := exec.Command(cc, "-O2", "-o", filepath.Join(work, "sweepfloor"), "internal/bench/testdata/sweepfloor.c")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", c.Args, err, out)
		}
	}
	printMachine(os.Stdout, work)
	network, err := netns.New()
	if err != nil {
		return err
	}
	defer network.Close()
	here, err := sweptNetwork(network)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := here.Command(context.Background(), self, "sweepclient", work, fmt.Sprint(o.rounds), fmt.Sprint(o.bits), o.only)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	fmt.Printf("\nreproduce: scripts/bench sweep -rounds %d -bits %d\n", o.rounds, o.bits)
	return nil
}

// sweptNetwork is a client and a server across a veth pair; it returns the client.
func sweptNetwork(n *netns.Net) (*netns.Host, error) {
	here, err := n.Host("client")
	if err != nil {
		return nil, err
	}
	there, err := n.Host("server")
	if err != nil {
		return nil, err
	}
	if _, err := n.Link(here, there, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(near + prefix)}},
		B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(far + prefix)}},
	}); err != nil {
		return nil, err
	}
	if err := here.AddRoute(netip.MustParsePrefix(swept), netip.MustParseAddr(far)); err != nil {
		return nil, err
	}
	dst, err := netlink.ParseIPNet(swept)
	if err != nil {
		return nil, err
	}
	const loopback, localTable = 1, 255 // LOOPBACK_IFINDEX, RT_TABLE_LOCAL
	if err := there.Netlink().RouteAdd(&netlink.Route{
		Dst: dst, LinkIndex: loopback, Table: localTable, Type: syscall.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
	}); err != nil {
		return nil, fmt.Errorf("local route: %w", err)
	}
	drop := func(port string, percent uint32) netns.Rule {
		m := netns.Match{Protocol: netns.TCP, Dport: netip.MustParseAddrPort(sweptFirst + ":" + port).Port(), Percent: percent}
		return netns.Rule{Hook: netns.Input, Match: m, Verdict: netns.Drop()}
	}
	rules := []netns.Rule{drop(sweptMute, 0)}
	for port := range strings.SplitSeq(lossyPorts, ",") {
		rules = append(rules, drop(port, 1))
	}
	if _, err := there.Firewall(rules...); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return here, errors.Join(startServer(there, self, "0.0.0.0:"+sweptOpen), startServer(there, self, "0.0.0.0:"+lossyOpen))
}
