package cli

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// tracePackets are enough for three tries at each of thirty hops.
const tracePackets = 150

// traceOptions are those that only trace has.
type traceOptions struct {
	tries     uint32
	reference uint32
}

func (a *app) traceCommand() *cobra.Command {
	o := &options{network: "tcp", colour: string(terminal.Auto), timeout: seconds(defaultTimeout), maxPackets: tracePackets}
	// One address after the other: a race would be held up by the probes.
	o.fallbackDelay = -1
	only := traceOptions{tries: 3}
	cmd := &cobra.Command{
		Use:   "trace TARGET",
		Short: "Show the path to a target hop by hop, and where a handshake dies or is answered early",
		Long: `trace opens a connection as dial does, and whatever comes of it sends packets of the same kind whose TTL ends on the way, so that each router names itself. It needs no root: the answers are read from the error queues of ordinary sockets.

Each probe has a source port of its own: where routers spread flows over several paths, a hop shows several addresses. A router that does not answer, or answers only some probes, is common and no fault: routers limit how often they do.

A TCP trace to an open port completes handshakes there, and resets them.`,
		Args:              oneTarget,
		ValidArgsFunction: completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.options = o
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
	flags.Var(bounded{&only.tries, 1, 20}, "tries", "ask each hop `N` times, 1 to 20")
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

// trace dials one target and tells of its way.
func (a *app) trace(ctx context.Context, t target.Target, only traceOptions) error {
	watch := a.watch(t)
	dialer := a.options.dialer(t)
	dialer.Probes, dialer.HopTries, dialer.ReferencePort = dialscope.PathProbes, int(only.tries), uint16(only.reference)
	dialer.Trace = watch.Trace()
	stop := a.line().Start(func(now time.Duration) string { return watch.Words(now) })
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
