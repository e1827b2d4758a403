package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/sweep"
)

// sweepOptions are those of sweep.
type sweepOptions struct {
	ports    string
	top      uint32
	files    []string
	exclude  []string
	excludes []string // files
	reserved bool
	seed     uint64
	shard    shard

	timeout  seconds
	rate     float64
	inFlight uint32
	retries  uint32
	hostMost uint32
	netMost  uint32
	hostRate float64
	netRate  float64
	threads  uint32
	engine   engine
	fresh    bool

	json    bool
	quiet   bool
	only    outcomes
	out     []string
	xml     string
	force   bool
	banner  bool
	explain bool
	journal string
	resume  string
}

const (
	defaultSweepRetries = 1
	mostThreads         = 256
	mostInFlight        = 1 << 20
)

func (o *sweepOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	note := sampler(flags)
	value := func(v pflag.Value, name, short, sample, usage string) {
		flags.VarP(v, name, short, usage)
		note(name, sample)
	}
	number := func(p *uint32, low, high uint32, name, sample, usage string) {
		value(bounded{p, low, high}, name, "", sample, usage)
	}
	o.timeout, o.retries, o.rate = seconds(dialscope.DefaultSweepTimeout), defaultSweepRetries, dialscope.DefaultSweepRate

	flags.StringVarP(&o.ports, "ports", "p", "", "`PORTS` to connect to: 22,80,8000-8100,https; - is all but 0")
	note("ports", "22,80,8000-8100,https")
	number(&o.top, 1, uint32(sweep.MostTopPorts), "top-ports", "20", fmt.Sprintf("the first `N` of %d ports that servers usually listen on", sweep.MostTopPorts))
	flags.StringArrayVarP(&o.files, "file", "f", nil, "read targets from `FILE`, one a line, of any length; - is standard input; may be repeated")
	flags.StringArrayVar(&o.exclude, "exclude", nil, "never touch `ADDRESSES`: an address, a prefix or a range; may be repeated, or hold commas")
	flags.StringArrayVar(&o.excludes, "exclude-file", nil, "never touch what `FILE` lists, one a line; may be repeated")
	flags.BoolVar(&o.reserved, "reserved", false, "also network and broadcast addresses, multicast, 0.0.0.0/8 and 240.0.0.0/4")
	flags.Uint64Var(&o.seed, "seed", 0, "`N` that makes the random order: the same seed, the same order")
	value(&o.shard, "shard", "", "1/4", "the `K/N`th part of the sweep, to share it among N machines with the same targets and seed")

	value(&o.timeout, "timeout", "", "2s", "`TIME` that each attempt has")
	flags.Float64Var(&o.rate, "rate", dialscope.DefaultSweepRate, "attempts a second, `N`; 0: as fast as it goes")
	note("rate", "1000")
	number(&o.inFlight, 0, mostInFlight, "in-flight", "1000", "attempts at once, `N` at most, also beyond the limit of descriptors; 0: as many as there are descriptors for")
	number(&o.retries, 0, 100, "retries", "1", "try what stays silent again `N` times")
	number(&o.hostMost, 0, 65535, "host-in-flight", "16", "attempts at once to one address, `N` at most")
	number(&o.netMost, 0, 65535, "net-in-flight", "256", "attempts at once to one /24 (IPv6: /64), `N` at most")
	flags.Float64Var(&o.hostRate, "host-rate", 0, "attempts a second to one address, `N`")
	flags.Float64Var(&o.netRate, "net-rate", 0, "attempts a second to one /24 (IPv6: /64), `N`")
	number(&o.threads, 0, mostThreads, "threads", "2", "threads, `N`; 0: one a processor")
	value(&o.engine, "engine", "", "auto", "how to wait: auto (the fastest here), `epoll` or io_uring; the results are the same")
	flags.BoolVar(&o.fresh, "new-sockets", false, "a new socket for each attempt, also where this kernel takes one again")

	flags.BoolVar(&o.json, "json", false, "NDJSON on standard output, one result a line; the summary on standard error")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no summary")
	value(&o.only, "only", "", "open", "tell `OUTCOMES` only, separated by commas: open, refused, timeout, unreachable, denied, ... (default open; with --json all)")
	flags.StringArrayVarP(&o.out, "out", "o", nil, "write results to `FILE` too, by its ending .ndjson, .csv, .parquet, .xml or .txt (open ones, HOST:PORT a line); may be repeated")
	flags.StringVar(&o.xml, "xml", "", "write `FILE` as nmap's -oX does; -oX FILE is the same")
	flags.BoolVar(&o.force, "force", false, "write over files that exist")
	flags.BoolVar(&o.banner, "banner", false, "read what an open port says first, and try whether it speaks TLS")
	flags.BoolVar(&o.explain, "explain", false, "put one of each group of failures through a full dial, and tell its verdict")
	flags.StringVar(&o.journal, "journal", "", "keep results in `FILE`, so that a sweep that is killed can go on")
	flags.StringVar(&o.resume, "resume", "", "go on with the sweep of the journal `FILE`; its targets, ports, order and timeout hold")
}

// check finds options that contradict each other.
func (o *sweepOptions) check(flags *pflag.FlagSet, args []string) error {
	set := flags.Changed
	if o.resume != "" {
		if len(args) > 0 {
			return usagef("--resume takes its targets from the journal: remove %q", clip(args[0]))
		}
		for _, name := range []string{"ports", "top-ports", "file", "exclude", "exclude-file", "reserved", "seed", "shard", "timeout", "retries", "journal", "banner"} {
			if set(name) {
				return usagef("--resume takes --%s from the journal: remove it", name)
			}
		}
	}
	for _, c := range []struct {
		wrong bool
		text  string
	}{
		{o.resume == "" && len(args)+len(o.files) == 0, "no target: write dialscope sweep 192.0.2.0/24 -p 22,80,443 (dialscope sweep --help tells the rest)"},
		{set("ports") && set("top-ports"), "--ports and --top-ports exclude each other: remove one"},
		{o.timeout == 0, "--timeout 0 would leave each attempt to the kernel: write a time, for example 2s"},
		{o.rate < 0, "--rate cannot be negative: write 0 for as fast as it goes"},
		{o.hostRate < 0 || o.netRate < 0, "a rate cannot be negative: leave the option out for no limit"},
	} {
		if c.wrong {
			return &usageError{c.text}
		}
	}
	return nil
}

// portList reads --ports or --top-ports; nil where neither is given.
func (o *sweepOptions) portList(service sweep.Service) ([]uint16, error) {
	if o.top > 0 {
		return sweep.TopPorts(int(o.top)), nil
	}
	if o.ports == "" {
		return nil, nil
	}
	ports, err := sweep.ParsePorts(o.ports, service)
	if err != nil {
		return nil, usagef("--ports: %v", err)
	}
	return ports, nil
}

// options for the library.
func (o *sweepOptions) options() dialscope.SweepOptions {
	s := dialscope.SweepOptions{
		Timeout: time.Duration(o.timeout), Rate: o.rate, InFlight: int(o.inFlight), Retries: int(o.retries),
		HostRate: o.hostRate, HostInFlight: int(o.hostMost), NetRate: o.netRate, NetInFlight: int(o.netMost),
		Seed: o.seed, Shard: o.shard.k, Shards: o.shard.of, Engines: int(o.threads), Engine: dialscope.SweepEngine(o.engine), NewSockets: o.fresh,
	}
	if s.Rate == 0 {
		s.Rate = -1
	}
	if s.Retries == 0 {
		s.Retries = -1
	}
	return s
}

// engine is the name of one; empty: auto.
type engine dialscope.SweepEngine

func (e *engine) Type() string { return "engine" }
func (e *engine) String() string {
	if *e == "" {
		return "auto"
	}
	return string(*e)
}

func (e *engine) Set(text string) error {
	switch text {
	case "auto":
		*e = ""
	case string(dialscope.EngineEpoll), string(dialscope.EngineRing):
		*e = engine(text)
	default:
		return valuef("no engine %q: write auto, epoll or io_uring", clip(text))
	}
	return nil
}

// shard is K/N.
type shard struct{ k, of int }

func (s *shard) Type() string { return "shard" }
func (s *shard) String() string {
	if s.of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.k, s.of)
}

func (s *shard) Set(text string) error {
	first, second, two := strings.Cut(text, "/")
	k, kErr := strconv.ParseUint(first, 10, 16)
	of, ofErr := strconv.ParseUint(second, 10, 16)
	if !two || kErr != nil || ofErr != nil || k == 0 || k > of {
		return valuef("no part: write K/N with K from 1 to N, for example 1/4")
	}
	s.k, s.of = int(k), int(of)
	return nil
}

// outcomes is a set of outcomes by name.
type outcomes map[cause.Outcome]bool

var sweepOutcomes = []cause.Outcome{cause.Open, cause.Refused, cause.Timeout, cause.Unreachable, cause.Denied,
	cause.Reset, cause.Closed, cause.LocalFault, cause.Unresolved}

func (o *outcomes) Type() string { return "outcomes" }
func (o *outcomes) String() string {
	var words []string
	for _, known := range sweepOutcomes {
		if (*o)[known] {
			words = append(words, string(known))
		}
	}
	return strings.Join(words, ",")
}

func (o *outcomes) Set(text string) error {
	set := outcomes{}
	for word := range strings.SplitSeq(text, ",") {
		word, found := strings.TrimSpace(word), false
		for _, known := range sweepOutcomes {
			if word == string(known) || word == "all" {
				set[known], found = true, true
			}
		}
		if !found {
			var words []string
			for _, known := range sweepOutcomes {
				words = append(words, string(known))
			}
			return valuef("no outcome %q: write %s, or all", clip(word), strings.Join(words, ", "))
		}
	}
	*o = set
	return nil
}
