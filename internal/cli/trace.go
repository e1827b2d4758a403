package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/progress"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// tracePackets are enough for three tries at each of thirty hops.
const tracePackets = 150

// traceOptions are those that only trace has.
type traceOptions struct {
	rounds    uint32
	flows     uint32
	reference uint32
	interval  seconds
	icmp, udp bool
}

func (a *app) traceCommand() *cobra.Command {
	o := &options{network: "tcp", colour: string(terminal.Auto), timeout: seconds(defaultTimeout), maxPackets: tracePackets}
	// One address after the other: a race would be held up by the probes.
	o.fallbackDelay = -1
	only := traceOptions{rounds: 3, flows: 1}
	cmd := &cobra.Command{
		Use:   "trace TARGET",
		Short: "Show the path to a target hop by hop, and where a handshake dies or is answered early",
		Long: `trace opens a connection as dial does, and whatever comes of it sends packets of the same kind whose TTL ends on the way, so that each router names itself. It needs no root: the answers are read from the error queues of ordinary sockets.

All probes of a flow have the same source port, so that routers which spread flows over several paths (ECMP) lead them the same way. With --flows N the hops are asked by N flows side by side, and the table says where they part.

A router that does not answer, or answers only some probes, is common and no fault: routers limit how often they do, Linux to about one a second for each sender. Loss at a hop matters where the hops behind it show it too.

On a terminal the table is drawn while the answers come. A TCP trace to an open port completes handshakes there, and resets them.`,
		Args:              oneTarget,
		ValidArgsFunction: completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.options = o
			if err := only.check(o); err != nil {
				return err
			}
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			t, err := a.parse(args[0], o.dialNetwork())
			if err != nil {
				return err
			}
			return a.trace(cmd.Context(), t, only)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(choice{&o.network, networks}, "network", "`NET` is tcp, tcp4, tcp6, udp, udp4 or udp6")
	flags.BoolVarP(&o.v4, "ipv4", "4", false, "IPv4 only")
	flags.BoolVarP(&o.v6, "ipv6", "6", false, "IPv6 only")
	flags.BoolVar(&only.udp, "udp", false, "connect and ask by UDP: --network udp")
	flags.BoolVar(&only.icmp, "icmp", false, "ask the hops by echo requests; the handshake is still TCP's")
	flags.Var(bounded{&only.flows, 1, 16}, "flows", "ask by `N` flows, each with a source port of its own, 1 to 16")
	flags.Var(bounded{&only.rounds, 1, 100}, "rounds", "ask each hop `N` times by each flow, 1 to 100")
	flags.Var(bounded{&only.rounds, 1, 100}, "tries", "the same as --rounds")
	flags.Var(&only.interval, "interval", "`TIME` between rounds; not given: none for up to 6 questions a hop, else 1s")
	flags.Var(bounded{&only.reference, 0, 65535}, "reference", "compare with the way to the TCP port `PORT` of the same host")
	flags.Var(bounded{&o.maxPackets, 1, 1000}, "max-packets", "probe with at most `N` packets, 1 to 1000")
	flags.Var(&o.timeout, "timeout", "give up the connection after `TIME`")
	flags.Var(&o.source, "source", "bind to `ADDR` of this host")
	flags.StringVar(&o.iface, "interface", "", "bind to the network interface `NAME`")
	flags.Var(bounded{&o.mark, 0, 1<<32 - 1}, "mark", "packet mark `N` for policy routing (needs CAP_NET_ADMIN or CAP_NET_RAW)")
	flags.Var(bounded{&o.tos, 0, 255}, "tos", "traffic class octet `N` (DSCP and ECN), 0 to 255")
	flags.BoolVar(&o.json, "json", false, "a JSON document: that of dial, with the hops")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "every observation")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	return cmd
}

func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("trace is for one target, not for %d: write dialscope trace HOST:PORT", len(args))
	}
	return nil
}

// check says what is wrong with the options that only trace has.
func (t *traceOptions) check(o *options) error {
	switch {
	case t.udp && t.icmp:
		return usagef("--udp and --icmp exclude each other: the hops are asked by one of them")
	case t.icmp && strings.HasPrefix(o.network, "udp"):
		return usagef("--icmp asks the hops of a TCP connection: leave --network %s out", o.network)
	case t.udp && strings.HasPrefix(o.network, "tcp") && len(o.network) > len("tcp"):
		return usagef("--udp and --network %s exclude each other", o.network)
	case t.udp && !strings.HasPrefix(o.network, "udp"):
		o.network = "udp"
	}
	return nil
}

// pace is the time between rounds.
func (t *traceOptions) pace() time.Duration {
	const burst = 6 // that Linux routers answer at once (inet_peer_xrlim_allow)
	if t.interval == 0 && t.rounds*t.flows > burst {
		return time.Second
	}
	return time.Duration(t.interval)
}

// trace dials one target and tells of its way.
func (a *app) trace(ctx context.Context, t target.Target, only traceOptions) error {
	dialer := a.options.dialer(t)
	dialer.Probes, dialer.HopTries, dialer.ReferencePort = dialscope.PathProbes, int(only.rounds), uint16(only.reference)
	dialer.Flows, dialer.HopInterval = int(only.flows), only.pace()
	if only.icmp {
		dialer.HopProtocol = "icmp"
	}
	var stop func()
	if block := a.block(); block != nil {
		picture := newTracing(t.String(), a.options.dialNetwork())
		dialer.Trace = picture.hooks()
		stop = block.Start(func() string { return picture.draw(a.style()) })
	} else {
		watch := a.watch(t)
		dialer.Trace = watch.Trace()
		stop = a.line().Start(func(now time.Duration) string { return watch.Words(now) })
	}
	conn, report, err := dialer.DialReport(ctx, a.options.dialNetwork(), t.String())
	stop()
	if conn != nil {
		conn.Close()
	}
	var explained *dialscope.Error
	if err != nil && !errors.As(err, &explained) {
		return err
	}
	d := asked{target: t, report: report, verdict: report.Verdict()}
	if err := a.tellTrace(d); err != nil {
		return err
	}
	return exit(interrupted(ctx, d.status()))
}

// block is where a table is drawn while a trace goes on: the output itself, if
// it is a terminal and takes no JSON. Nil: nowhere.
func (a *app) block() *progress.Block {
	if a.options.json || !terminal.Is(a.stdout) || a.env("TERM") == "dumb" {
		return nil
	}
	return progress.NewBlock(a.stdout, a.style(), terminal.Rows(a.stdout))
}

// tracing is a trace under way, as its hooks tell of it.
type tracing struct {
	mu   sync.Mutex
	dial evidence.Dial
}

func newTracing(name, network string) *tracing {
	return &tracing{dial: evidence.Dial{Target: name, Network: network}}
}

func (t *tracing) hooks() *dialscope.Trace {
	return &dialscope.Trace{
		AttemptStart: func(i int, remote netip.AddrPort) {
			t.mu.Lock()
			defer t.mu.Unlock()
			for len(t.dial.Attempts) <= i {
				t.dial.Attempts = append(t.dial.Attempts, evidence.Attempt{})
			}
			t.dial.Attempts[i].Remote = remote
		},
		Observed: func(i int, e evidence.Entry) {
			p, is := e.Fact.(*evidence.Probe)
			t.mu.Lock()
			defer t.mu.Unlock()
			if is && i >= 0 && i < len(t.dial.Attempts) {
				copied := *p
				e.Fact = &copied
				t.dial.Attempts[i].Log = append(t.dial.Attempts[i].Log, e)
			}
		},
	}
}

// draw is the table so far: that of the attempt that was asked about last.
func (t *tracing) draw(style terminal.Style) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := len(t.dial.Attempts) - 1
	if last < 0 {
		return "  " + style.Text(t.dial.Target) + ": resolving the name\n"
	}
	head := fmt.Sprintf("  %s: asking the hops\n", t.dial.Attempts[last].Remote)
	return head + answer.Table(style, &t.dial, last)
}

func (a *app) tellTrace(d asked) error {
	if !a.options.json {
		return a.print(answer.Trace(a.style(), a.answerOf(d), a.options.verbose))
	}
	data, err := json.Marshal(d.report)
	if err != nil {
		return err
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(data, &document); err != nil {
		return err
	}
	if document["hops"], err = json.Marshal(answer.Hops(a.answerOf(d))); err != nil {
		return err
	}
	return a.printJSON(document, terminal.Is(a.stdout))
}
