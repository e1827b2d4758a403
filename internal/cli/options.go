package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// options are those of dial.
type options struct {
	// Where to.
	network string
	v4, v6  bool
	all     bool
	svcb    bool
	files   []string
	servers servers

	// How long.
	timeout        seconds
	attemptTimeout seconds
	fallbackDelay  delay
	settle         seconds
	userTimeout    seconds
	synRetries     uint32
	fullTimeout    bool

	// What else is sent.
	probes     string // empty: by the kind of run
	packets    string // empty: by the kind of run
	mtu        bool
	maxPackets uint32
	kernel     string
	payload    datagram

	// From where and how.
	source     source
	localPorts portRange
	iface      string
	mark       uint32
	tos        uint32
	ttl        uint32
	fastOpen   bool
	mptcp      bool

	// How often.
	count       int
	interval    seconds
	untilOpen   bool
	untilClosed bool
	bound       seconds
	parallel    uint32

	// What is shown.
	json    bool
	quiet   bool
	verbose bool
	colour  string
	explain string
	version bool
}

// Annotations of an option.
const (
	groupKey  = "group"  // the heading under which --help lists it
	sampleKey = "sample" // how a value looks
	envKey    = "env"    // present: it may be preset in the environment
)

// The groups of options, in the order of --help.
const (
	groupTarget = "Where to"
	groupTime   = "How long"
	groupSocket = "From where, and how"
	groupProbes = "What else is sent"
	groupRepeat = "How often"
	groupShown  = "What is shown"
)

var groups = []string{groupTarget, groupTime, groupSocket, groupProbes, groupRepeat, groupShown}

const (
	defaultTimeout  = 5 * time.Second
	defaultInterval = time.Second
	// defaultSettle is long enough for a proxy on a near network to find out
	// that nobody is behind it, and too short for a person to notice.
	defaultSettle   = 50 * time.Millisecond
	defaultDelay    = 250 * time.Millisecond // RFC 8305 §5
	defaultParallel = 8
	// defaultPackets leaves room for the SYNs of the dial itself below 60.
	defaultPackets = 50
)

var networks = []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}

// sampler notes how an option's value looks.
func sampler(flags *pflag.FlagSet) func(name, text string) {
	return func(name, text string) { flags.Lookup(name).Annotations = map[string][]string{sampleKey: {text}} }
}

// register declares the options. Usage texts name the value in backquotes.
func (o *options) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	group := ""
	note := func(name, sample string, preset bool) {
		f := flags.Lookup(name)
		f.Annotations = map[string][]string{groupKey: {group}}
		if sample != "" {
			f.Annotations[sampleKey] = []string{sample}
		}
		if preset {
			f.Annotations[envKey] = nil
		}
	}
	value := func(v pflag.Value, name, sample, usage string) {
		flags.Var(v, name, usage)
		note(name, sample, true)
	}
	toggle := func(p *bool, name, short, usage string, preset bool) {
		flags.BoolVarP(p, name, short, false, usage)
		note(name, "", preset)
	}
	number := func(p *uint32, low, high uint32, name, sample, usage string) {
		value(bounded{p, low, high}, name, sample, usage)
	}

	o.network, o.colour, o.kernel = "tcp", string(terminal.Auto), kernelTimes[0]
	o.timeout, o.settle, o.interval = seconds(defaultTimeout), seconds(defaultSettle), seconds(defaultInterval)
	o.fallbackDelay, o.parallel = delay(defaultDelay), defaultParallel
	o.maxPackets = defaultPackets

	group = groupTarget
	value(choice{&o.network, networks}, "network", "tcp4", "`NET` is tcp, tcp4, tcp6, udp, udp4 or udp6")
	toggle(&o.v4, "ipv4", "4", "IPv4 only", false)
	toggle(&o.v6, "ipv6", "6", "IPv6 only", false)
	toggle(&o.all, "all", "a", "try every address of the name to its end; do not race them", true)
	toggle(&o.svcb, "svcb", "", "ask for SVCB and HTTPS records too and use them (RFC 9460)", true)
	value(&o.servers, "resolver", "192.0.2.53", "ask the name server at `ADDR[:PORT]`, not those of resolv.conf; may be repeated")
	flags.StringArrayVarP(&o.files, "file", "f", nil, "read targets from `FILE`, one a line; - is standard input; may be repeated")
	note("file", "targets.txt", false)

	group = groupTime
	value(&o.timeout, "timeout", "5s", "give up a target after `TIME`, name included; 0 leaves it to the kernel")
	value(&o.attemptTimeout, "attempt-timeout", "2s", "give up each single attempt after `TIME`; 0 for no limit")
	value(&o.fallbackDelay, "fallback-delay", "250ms", "let one address run alone for `TIME` before the next joins the race (RFC 8305); off: one after the other")
	value(&o.settle, "settle", "50ms", "watch a fresh connection for `TIME`, for a peer that resets or closes it at once")
	value(&o.userTimeout, "user-timeout", "2s", "TCP_USER_TIMEOUT: `TIME` that a SYN or data may stay unacknowledged")
	number(&o.synRetries, 1, 127, "syn-retries", "3", "TCP_SYNCNT: send the SYN again `N` times, 1 to 127")
	toggle(&o.fullTimeout, "full-timeout", "", "wait for an answer until --timeout, though probes have explained the silence", true)

	group = groupSocket
	value(&o.source, "source", "192.0.2.1", "bind to `ADDR[:PORT]` of this host")
	value(&o.localPorts, "local-ports", "40000-40100", "choose the local port from `LOW-HIGH` (Linux 6.3)")
	flags.StringVar(&o.iface, "interface", "", "bind to the network interface `NAME`")
	note("interface", "eth0", true)
	number(&o.mark, 0, 1<<32-1, "mark", "0x2a", "packet mark `N` for policy routing (needs CAP_NET_ADMIN or CAP_NET_RAW)")
	number(&o.tos, 0, 255, "tos", "0xb8", "traffic class octet `N` (DSCP and ECN), 0 to 255")
	number(&o.ttl, 1, 255, "ttl", "3", "hop limit `N`, 1 to 255")
	toggle(&o.fastOpen, "fast-open", "", "TCP Fast Open (RFC 7413): the handshake waits for the first write", true)
	toggle(&o.mptcp, "mptcp", "", "Multipath TCP (RFC 8684), or TCP where it is not spoken", true)

	group = groupProbes
	value(choice{&o.probes, []string{"none", "few", "all"}}, "probes", "none", "look into silence and resets by probes, `WHICH`: none, few (no other port of the target) or all (for one target; else few, and none when repeating)")
	value(choice{&o.packets, []string{"none", "auto"}}, "packets", "none", "capture the dial's own packets, `WHICH`: none, or auto (where the process has CAP_NET_RAW; not when repeating)")
	toggle(&o.mtu, "mtu", "", "ask whether full-sized packets get there, when the target is open", true)
	number(&o.maxPackets, 1, 1000, "max-packets", "20", "probe with at most `N` packets an address, 1 to 1000")

	value(choice{&o.kernel, kernelTimes}, "kernel", "first", "listen to this host's kernel from `WHEN` on: overdue (when an answer is, after 150 ms), first (before the first packet; costs some 55 ms), never; needs CAP_BPF and CAP_PERFMON, and is not done without")
	value(&o.payload, "payload", "dns", "with --network udp: send `WHAT`, a service's question by its name (list shows them), hex:0a0b, text:hello, zeros:N (octets) or file:NAME (default by the port)")

	group = groupRepeat
	flags.IntVarP(&o.count, "count", "c", 1, "dial `N` times and sum up; 0 goes on until interrupted")
	note("count", "10", false)
	value(&o.interval, "interval", "500ms", "`TIME` from one dial's start to the next's, with --count and --until-…")
	toggle(&o.untilOpen, "until-open", "", "dial again until the target is open", false)
	toggle(&o.untilClosed, "until-closed", "", "dial again until the target is open no more", false)
	flags.Var(&o.bound, "for", "with --until-…: give up after `TIME`; 0 for no limit")
	note("for", "60s", false)
	number(&o.parallel, 1, 1024, "parallel", "8", "dial `N` of several targets at once, 1 to 1024")

	group = groupShown
	toggle(&o.json, "json", "", "JSON: one document, or one a line for several targets", true)
	toggle(&o.quiet, "quiet", "q", "no answer, only the exit status", false)
	toggle(&o.verbose, "verbose", "v", "every observation, and the whole answer for each of several targets", false)
	value(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "always", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	flags.StringVar(&o.explain, "explain", "", "do not dial, but explain a cause or an errno by its `NAME`; list shows them all")
	note("explain", "port-closed", false)
	toggle(&o.version, "version", "", "the version", false)
}
