package cli

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/watch"
	"github.com/dialscope/dialscope/internal/watch/feed"
)

// watchOptions are those of watch.
type watchOptions struct {
	pids     pids
	names    []string
	hosts    prefixes
	ports    ports
	cgroup   string
	failed   bool
	here     bool
	lasting  seconds
	json     bool
	lines    bool
	verbose  bool
	output   string
	source   string
	interval seconds
	limit    int
	colour   string

	cgroupID uint64
}

func (o *watchOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	o.colour, o.source = string(terminal.Auto), "auto"
	sample := sampler(flags)
	flags.BoolVar(&o.failed, "failed", false, "only what fails: attempts, connections that break, packets thrown away, refusals")
	flags.Var(&o.pids, "pid", "only connections of the process `PID`; may be repeated")
	sample("pid", "4711")
	flags.StringArrayVar(&o.names, "process", nil, "only connections of processes whose name begins with `NAME`; may be repeated")
	sample("process", "nginx")
	flags.StringVar(&o.cgroup, "cgroup", "", "only sockets made in the cgroup (v2) `PATH`")
	sample("cgroup", "/system.slice/nginx.service")
	flags.Var(&o.hosts, "host", "only those with one end in `ADDR[/BITS]`; may be repeated")
	sample("host", "192.0.2.0/24")
	flags.Var(&o.ports, "port", "only those with one end at port `N`; may be repeated")
	sample("port", "443")
	flags.BoolVar(&o.here, "here", false, "only this network namespace, not those of containers")
	flags.Var(&o.lasting, "for", "stop after `DURATION`")
	sample("for", "1m")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "also each SYN that is sent, each change of state, each segment sent again")
	flags.BoolVar(&o.json, "json", false, "JSON: one document a line for each event, a summary at the end")
	flags.BoolVar(&o.lines, "lines", false, "lines on a terminal too, no full-screen view")
	flags.StringVarP(&o.output, "output", "o", "", "write to `FILE` instead of standard output, or of standard error with a command")
	sample("output", "connections.log")
	flags.Var(choice{&o.source, []string{"auto", "kernel", "table"}}, "source", "how to see: `WAY` auto, kernel (tracepoints), table (sock_diag, no privilege)")
	sample("source", "table")
	flags.Var(&o.interval, "interval", "look at the table of sockets every `DURATION` where tracepoints are not allowed (default 100ms; 10ms with a command)")
	sample("interval", "50ms")
	flags.IntVar(&o.limit, "max-connections", watch.DefaultLimit, "follow at most `N` connections at once, about 2 kB each; the oldest give way")
	sample("max-connections", "100000")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	sample("color", "always")
}

func (o *watchOptions) check(flags *pflag.FlagSet, command []string) error {
	switch {
	case o.limit < 16:
		return usagef("--max-connections %d: at least 16 are needed", o.limit)
	case flags.Changed("interval") && time.Duration(o.interval) < time.Millisecond:
		return usagef("--interval %v: at least 1ms", time.Duration(o.interval))
	case flags.Changed("for") && o.lasting == 0:
		return usagef("--for 0s: nothing would be seen")
	case len(command) > 0 && (len(o.pids) > 0 || len(o.names) > 0):
		return usagef("a command's own connections are watched: leave --pid and --process out")
	}
	for _, pid := range o.pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err != nil {
			return usagef("--pid %d: there is no such process", pid)
		}
	}
	if o.cgroup == "" {
		return nil
	}
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", ""} {
		id, err := feed.CgroupID(filepath.Join(root, o.cgroup))
		if err == nil {
			o.cgroupID = id
			return nil
		}
	}
	return usagef("--cgroup %q: there is no such cgroup v2: write its path below /sys/fs/cgroup", clip(o.cgroup))
}

// sourceOptions is what a source can leave out by itself.
func (o *watchOptions) sourceOptions(tree bool) feed.Options {
	s := feed.Options{Here: o.here, Cgroup: o.cgroupID, Tree: tree, Every: time.Duration(o.interval)}
	if len(o.ports) == 1 {
		s.Port = o.ports[0]
	}
	if len(o.hosts) == 1 && o.hosts[0].IsSingleIP() {
		s.Host = o.hosts[0].Addr()
	}
	if tree && s.Every == 0 {
		s.Every = 10 * time.Millisecond
	}
	return s
}

// wants says whether a story is asked for.
func (o *watchOptions) wants(s *watch.Story) bool {
	host := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(o.hosts, func(p netip.Prefix) bool { return a.IsValid() && p.Contains(a.Addr().WithZone("")) })
	}
	return (len(o.pids) == 0 && len(o.names) == 0 || slices.Contains(o.pids, s.Process.PID) ||
		slices.ContainsFunc(o.names, func(n string) bool { return s.Process.PID != 0 && strings.HasPrefix(s.Process.Name, n) })) &&
		(len(o.hosts) == 0 || host(s.Local) || host(s.Remote)) &&
		(len(o.ports) == 0 || slices.Contains(o.ports, s.Local.Port()) || slices.Contains(o.ports, s.Remote.Port()))
}

// shows says whether a news is worth a line.
func (o *watchOptions) shows(n watch.News) bool {
	switch n {
	case watch.HasFailed, watch.ThrownAway, watch.StrayPacket, watch.Refusal:
		return true
	case watch.IsOpen, watch.HasEnded:
		return !o.failed
	}
	return o.verbose && !o.failed
}
