package cli

import (
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/listen"
)

// listenOptions are those of listen.
type listenOptions struct {
	network string
	udp     bool

	welcome     string
	speakFirst  bool
	silent      bool
	echo        bool
	discard     bool
	neverRead   bool
	neverAccept bool
	neverClose  bool
	close       bool
	reset       bool
	delay       seconds
	crashAfter  seconds
	keepalive   keepalive
	userTimeout seconds

	backlog     uint32
	refuseAfter uint32
	count       uint32
	bound       seconds
	threads     uint32

	json     bool
	evidence bool
	quiet    bool
	colour   string
}

// defaultBanner is what --speak-first says.
const defaultBanner = "220 dialscope listen"

const mostConnections = 1<<31 - 1

func (o *listenOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	note := sampler(flags)
	value := func(v pflag.Value, name, short, sample, usage string) {
		flags.VarP(v, name, short, usage)
		note(name, sample)
	}
	number := func(p *uint32, low, high uint32, name, short, sample, usage string) {
		value(bounded{p, low, high}, name, short, sample, usage)
	}
	o.network, o.colour = "tcp", string(terminal.Auto)

	value(choice{&o.network, networks}, "network", "", "tcp4", "`NET` is tcp, tcp4, tcp6, udp, udp4 or udp6")
	flags.BoolVarP(&o.udp, "udp", "u", false, "the same as --network udp")

	flags.StringVar(&o.welcome, "welcome", "", "greet with `TEXT` and this host's time; with --udp that is the answer to each datagram")
	note("welcome", "hello")
	flags.BoolVar(&o.speakFirst, "speak-first", false, "greet without being told a text, as mail servers do")
	flags.BoolVar(&o.silent, "silent", false, "read, and never say anything (also the default)")
	flags.BoolVar(&o.echo, "echo", false, "send back what comes (RFC 862)")
	flags.BoolVar(&o.discard, "discard", false, "throw away what comes (RFC 863; also the default)")
	flags.BoolVar(&o.neverRead, "never-read", false, "leave what comes in the kernel, with the smallest buffer: the window closes")
	flags.BoolVar(&o.neverAccept, "never-accept", false, "leave connections in the kernel's queue: when it is full, SYNs are ignored")
	flags.BoolVar(&o.neverClose, "never-close", false, "do not close when the peer has closed: CLOSE_WAIT")
	flags.BoolVar(&o.close, "close", false, "close each connection at once: FIN")
	flags.BoolVar(&o.reset, "reset", false, "reset each connection at once: RST")
	value(&o.delay, "delay", "", "500ms", "do nothing with a connection, or a datagram's answer, for `TIME`")
	value(&o.crashAfter, "crash-after", "", "5s", "forget each connection after `TIME` without a word, as a host that crashes and comes back (needs CAP_NET_ADMIN)")

	value(&o.keepalive, "keepalive", "", "10s,2s,3", "`IDLE,INTERVAL,COUNT` of SO_KEEPALIVE: ask a silent peer, and give it up (default off)")
	value(&o.userTimeout, "user-timeout", "", "10s", "give a connection up when nothing sent was acknowledged for `TIME` (TCP_USER_TIMEOUT)")

	number(&o.backlog, 0, mostConnections, "backlog", "", "16", "let the kernel's queue hold `N` and one more connections (listen(2))")
	number(&o.refuseAfter, 1, mostConnections, "refuse-after", "", "100", "accept `N` connections, then close the sockets: further ones are refused")
	number(&o.count, 1, mostConnections, "count", "c", "100", "accept `N` connections, and end when they have ended")
	value(&o.bound, "for", "", "60s", "end after `TIME`")
	number(&o.threads, 1, mostThreads, "threads", "", "2", "threads, `N`, each with its own sockets (default one a processor)")

	flags.BoolVar(&o.json, "json", false, "NDJSON: one event a line, the summary last")
	flags.BoolVar(&o.evidence, "evidence", false, "with --json: the evidence of every end, also where both ends closed in order")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no events, only the addresses and the summary")
	value(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "", "always", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	for _, name := range []string{"backlog", "refuse-after", "count", "threads", "delay", "crash-after", "user-timeout", "for"} {
		flags.Lookup(name).DefValue = "" // none
	}
}

// build checks the options and makes the server's out of them.
func (o *listenOptions) build(changed func(string) bool, args []string) (listen.Options, error) {
	var l listen.Options
	if o.udp {
		if changed("network") && !strings.HasPrefix(o.network, "udp") {
			return l, usagef("--udp and --network %s exclude each other: remove one", o.network)
		}
		if !changed("network") {
			o.network = "udp"
		}
	}
	udp := strings.HasPrefix(o.network, "udp")
	set := func(name string) bool { return changed(name) || name == "udp" && udp }
	if one, other, why, found := listen.Conflict(set); found {
		first := "--" + one
		if one == "udp" && !changed("udp") {
			first = "--network " + o.network
		}
		return l, usagef("%s and --%s exclude each other (%s): remove one", first, other, why)
	}
	if o.refuseAfter > 0 && o.count > o.refuseAfter {
		return l, usagef("--count %d and --refuse-after %d exclude each other: the sockets are closed before so many have come", o.count, o.refuseAfter)
	}
	for name, d := range map[string]seconds{"crash-after": o.crashAfter, "user-timeout": o.userTimeout, "for": o.bound} {
		if changed(name) && d == 0 {
			return l, usagef("--%s 0 leaves no time for anything: write a duration, for example 5s, or leave it out", name)
		}
	}
	if strings.ContainsAny(o.welcome, "\r\n") {
		return l, usagef("--welcome is one line: remove the line breaks")
	}
	if changed("welcome") && o.welcome == "" {
		return l, usagef("--welcome needs a text: write --welcome hello")
	}
	if len(args) == 0 {
		return l, usagef("no address: write dialscope listen 127.0.0.1:9000, or :0 for a port that the kernel chooses")
	}
	for _, arg := range args {
		addrs, err := listen.ParseAddress(arg, servicePort(o.network))
		if err != nil {
			return l, &usageError{err.Error()}
		}
		for i, a := range addrs {
			switch v4 := a.Addr().Is4(); {
			case v4 && strings.HasSuffix(o.network, "6"):
				return l, usagef("%s is an IPv4 address, but --network is %s: write [::1]:%d, or drop the 6", arg, o.network, a.Port())
			case !v4 && strings.HasSuffix(o.network, "4"):
				return l, usagef("%s is an IPv6 address, but --network is %s: write 127.0.0.1:%d, or drop the 4", arg, o.network, a.Port())
			}
			addrs[i] = a
		}
		l.Addrs = append(l.Addrs, addrs...)
	}
	if len(l.Addrs) > listen.MostListeners {
		return l, usagef("%d addresses are too many: one server listens on %d at most", len(l.Addrs), listen.MostListeners)
	}
	l.Network = o.network
	l.Backlog, l.SetBacklog = int(o.backlog), changed("backlog")
	l.RefuseAfter, l.Count, l.Threads = int(o.refuseAfter), int(o.count), int(o.threads)
	if o.evidence && (!o.json || o.quiet) {
		return l, usagef("--evidence needs --json without --quiet: the evidence stands in the events")
	}
	l.Evidence = o.evidence
	l.Personality = o.personality()
	if k := o.keepalive.config(); k.Enable {
		l.Alive.KeepAlive, l.Alive.Idle, l.Alive.Interval, l.Alive.Count = true, k.Idle, k.Interval, k.Count
	}
	l.Alive.UserTimeout = time.Duration(o.userTimeout)
	return l, nil
}

func (o *listenOptions) personality() listen.Personality {
	p := listen.Personality{Greeting: o.welcome, Delay: time.Duration(o.delay), CrashAfter: time.Duration(o.crashAfter), NeverAccept: o.neverAccept}
	if p.Greeting == "" && o.speakFirst {
		p.Greeting = defaultBanner
	}
	switch {
	case o.echo:
		p.Reading = listen.Echo
	case o.neverRead:
		p.Reading = listen.Never
	}
	switch {
	case o.neverClose:
		p.Ending = listen.NeverClose
	case o.close:
		p.Ending = listen.CloseFirst
	case o.reset:
		p.Ending = listen.ResetFirst
	}
	return p
}
