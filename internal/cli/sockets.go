package cli

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/internal/cli/socketlist"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/host/socktable"
	"github.com/dialscope/dialscope/internal/sockets"
)

const aboutSockets = `Shows the TCP and UDP sockets of this host as netstat and ss have them (states, queues, timers, process), marks those with which something is wrong, and says what: an accept queue that overflows, connections that a process does not close, handshakes that nobody answers, ports that run out toward one destination, windows that stay shut, data that is not acknowledged.

Of a listener recv-q is the length of its accept queue and send-q the limit. It is the table of this network namespace; nothing needs root, but the processes of other users are seen by root only.`

// socketsOptions are those of sockets.
type socketsOptions struct {
	states    stateSet
	listening bool
	hosts     prefixes
	ports     ports
	pids      pids
	names     []string
	network   string
	only      string
	order     string
	info      bool
	noHolders bool
	json      bool
	colour    string
}

func (a *app) socketsCommand() *cobra.Command {
	o := new(socketsOptions)
	cmd := &cobra.Command{
		Use:   "sockets",
		Short: "Show the sockets of this host, and what is wrong with them",
		Long:  aboutSockets,
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			return a.sockets(o)
		},
	}
	o.register(cmd.Flags())
	words := func(name string, choices ...string) {
		complete(cmd, name, func(string) []string { return choices })
	}
	var states []string
	for _, name := range sockets.StateNames() {
		states = append(states, strings.ToLower(strings.ReplaceAll(name, "_", "-")))
	}
	words("state", states...)
	words("only", "wrong")
	words("sort", sockets.Orders...)
	words("network", "tcp", "udp")
	words("color", "auto", "always", "never")
	for _, name := range []string{"host", "port", "pid", "process"} {
		words(name)
	}
	return cmd
}

func (o *socketsOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	o.colour, o.order = string(terminal.Auto), "state"
	sample := sampler(flags)
	flags.Var(&o.states, "state", "show only those in `STATE`: a name as RFC 9293, ss or netstat write it; may be repeated")
	sample("state", "close-wait")
	flags.BoolVarP(&o.listening, "listening", "l", false, "show only those that wait for others: TCP in LISTEN, UDP without a peer")
	flags.Var(&o.hosts, "host", "show only those with one end in `ADDR[/BITS]`; may be repeated")
	sample("host", "192.0.2.0/24")
	flags.Var(&o.ports, "port", "show only those with one end at port `N`; may be repeated")
	sample("port", "443")
	flags.Var(&o.pids, "pid", "show only those of the process `PID`; may be repeated")
	sample("pid", "4711")
	flags.StringArrayVar(&o.names, "process", nil, "show only those of processes whose name begins with `NAME`; may be repeated")
	sample("process", "nginx")
	flags.Var(choice{&o.network, []string{"tcp", "udp"}}, "network", "show only `PROTOCOL`: tcp or udp")
	sample("network", "tcp")
	flags.Var(choice{&o.only, []string{"wrong"}}, "only", "show only `WHICH`: wrong, those that are marked")
	sample("only", "wrong")
	flags.BoolVarP(&o.info, "info", "i", false, "with what the kernel knows of each connection (TCP_INFO): round trip, window, retransmissions")
	flags.BoolVar(&o.noHolders, "no-processes", false, "do not look for the processes that hold them: with many sockets that takes the most time")
	flags.Var(choice{&o.order, sockets.Orders}, "sort", "sort by `COLUMN`: "+strings.Join(sockets.Orders, ", "))
	sample("sort", "recv-q")
	flags.BoolVar(&o.json, "json", false, "JSON: one document, on one line")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	sample("color", "always")
}

func (a *app) sockets(o *socketsOptions) error {
	if o.noHolders && (len(o.pids) > 0 || len(o.names) > 0 || o.order == "process") {
		return usagef("--no-processes: leave out --pid, --process and --sort process, which need them")
	}
	// Nearly all of a large table lives until the end, and the end is near.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	t, err := socktable.Read(time.Now(), socktable.Query{
		TCP: o.network != "udp", UDP: o.network != "tcp", Info: true, Processes: !o.noHolders,
	})
	if err != nil {
		return err
	}
	if o.noHolders {
		t.NoProcesses = "--no-processes was given"
	}
	for _, pid := range o.pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
			return usagef("--pid %d: there is no such process", pid)
		}
	}
	f := o.wanted()
	l := socketlist.New(t, func(s *sockets.Socket) bool { return f.Match(t, s) }, o.order, o.only != "")
	l.Info = o.info
	out := bufio.NewWriterSize(a.stdout, 1<<16)
	if o.json {
		err = l.Write(out)
	} else {
		l.Text(out, a.tableStyle(terminal.Mode(o.colour)))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("the answer could not be written: %w", err)
	}
	return nil
}

// tableStyle is that of the output, of unlimited width where nobody says how
// wide it is: another program reads whole lines.
func (a *app) tableStyle(mode terminal.Mode) terminal.Style {
	s := terminal.Detect(a.stdout, mode, a.env)
	if !terminal.Is(a.stdout) && a.env("COLUMNS") == "" {
		s.Width = 0
	}
	return s
}

func (o *socketsOptions) wanted() sockets.Filter {
	f := sockets.Filter{States: sockets.States(o.states), Hosts: o.hosts, Ports: o.ports, PIDs: o.pids, Names: o.names}
	if o.listening {
		f.States |= sockets.Set(sockets.Listen, sockets.Unconnected)
	}
	return f
}

// stateSet is a set of states of sockets.
type stateSet sockets.States

func (s *stateSet) Type() string   { return "state" }
func (s *stateSet) String() string { return "" }
func (s *stateSet) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		one, known := sockets.ParseState(strings.TrimSpace(word))
		if !known {
			return valuef("no such state: write one of %s", strings.ToLower(strings.Join(sockets.StateNames(), ", ")))
		}
		*s |= stateSet(one)
	}
	return nil
}

// pids are numbers of processes.
type pids []int

func (p *pids) Type() string   { return "pid" }
func (p *pids) String() string { return "" }
func (p *pids) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return valuef("no process: write its number, as ps shows it")
	}
	if !slices.Contains(*p, n) {
		*p = append(*p, n)
	}
	return nil
}
