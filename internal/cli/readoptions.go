package cli

import (
	"net/netip"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/conversation"
)

// readOptions are those of read.
type readOptions struct {
	only    string
	causes  causes
	hosts   prefixes
	ports   ports
	ladder  uint64
	svg     string
	json    bool
	summary bool
	verbose bool
	colour  string
	limit   int
	iface   string
	bound   seconds
	write   string
}

func (o *readOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	o.colour = string(terminal.Auto)
	sample := sampler(flags)
	flags.StringVarP(&o.iface, "interface", "i", "", "read what passes the interface `IF` (any: all of them) instead of a file; needs CAP_NET_RAW")
	sample("interface", "eth0")
	flags.Var(&o.bound, "for", "with --interface: end after `TIME`; otherwise ^C does")
	sample("for", "30s")
	flags.StringVarP(&o.write, "write", "w", "", "with --interface: keep what is captured in `FILE` as pcapng")
	sample("write", "kept.pcapng")
	flags.Var(choice{&o.only, []string{"failed"}}, "only", "report only `WHICH`: failed, those whose initiator did not get what it asked for")
	sample("only", "failed")
	flags.Var(&o.causes, "cause", "report only those with the cause `ID`; may be repeated")
	sample("cause", "port-closed")
	flags.Var(&o.hosts, "host", "report only those with one end in `ADDR[/BITS]`; may be repeated")
	sample("host", "192.0.2.0/24")
	flags.Var(&o.ports, "port", "report only those with one end at port `N`; may be repeated")
	sample("port", "443")
	flags.Uint64Var(&o.ladder, "ladder", 0, "draw the packets of connection `N` between its two ends; the first column of the list has the numbers")
	sample("ladder", "7")
	flags.StringVar(&o.svg, "svg", "", "write the drawing of --ladder to `FILE` as SVG; - is standard output")
	sample("svg", "connection.svg")
	flags.BoolVar(&o.json, "json", false, "JSON: one document a line for each connection")
	flags.BoolVar(&o.summary, "summary", false, "only the sum: causes, handshake times, what was not understood; with --json as one document")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "with each connection its explanation, options, resets, ICMP errors, and its ladder")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
	sample("color", "always")
	flags.IntVar(&o.limit, "max-connections", 0, "follow at most `N` connections at once, about 600 octets each; those that are over, then the longest silent give way (default 2097152)")
	sample("max-connections", "100000")
}

// check finds what does not go together.
func (o *readOptions) check(flags *pflag.FlagSet) error {
	switch {
	case flags.Changed("ladder") && o.ladder == 0:
		return usagef("--ladder 0: connections are numbered from 1")
	case o.svg != "" && o.ladder == 0:
		return usagef("--svg draws one connection: name it with --ladder N")
	case o.ladder != 0 && (o.json && o.svg == "-" || o.summary):
		return usagef("--ladder draws one connection: leave --summary out, and --json with --svg -")
	case o.iface == "" && (flags.Changed("for") || flags.Changed("write")):
		return usagef("--for and --write are for --interface: a file is read to its end, and is kept already")
	case flags.Changed("interface") && o.iface == "":
		return usagef("--interface: name one, or any: ip link lists them")
	case o.iface != "" && o.ladder != 0:
		return usagef("--ladder draws a connection of a file: keep the packets with --write FILE, then read FILE --ladder N; or use -v")
	case o.write == "-":
		return usagef("--write -: standard output is for the lines; name a file")
	case flags.Changed("max-connections") && o.limit < 64:
		return usagef("--max-connections %d: at least 64 are needed", o.limit)
	}
	return nil
}

func (o *readOptions) wanted() conversation.Wanted {
	return conversation.Wanted{Failed: o.only == "failed", Causes: o.causes, Host: o.hosts, Port: o.ports, Number: o.ladder}
}

// rungs is how many packets of each connection are kept.
func (o *readOptions) rungs() int {
	switch {
	case o.ladder != 0:
		return 100000
	case o.verbose:
		return 60
	}
	return 0
}

// causes are ids of the catalogue.
type causes []cause.ID

func (c *causes) Type() string   { return "cause" }
func (c *causes) String() string { return "" }
func (c *causes) Set(text string) error {
	if _, known := cause.Lookup(cause.ID(text)); !known {
		if near := cause.Nearest(text); near != "" {
			return valuef("no such cause; did you mean %s? (dialscope --explain list lists them)", near)
		}
		return valuef("no such cause: dialscope --explain list lists them")
	}
	*c = append(*c, cause.ID(text))
	return nil
}

// prefixes are networks, or single addresses.
type prefixes []netip.Prefix

func (p *prefixes) Type() string   { return "prefix" }
func (p *prefixes) String() string { return "" }
func (p *prefixes) Set(text string) error {
	if a, err := netip.ParseAddr(text); err == nil {
		*p = append(*p, netip.PrefixFrom(a.Unmap().WithZone(""), a.Unmap().BitLen()))
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return valuef("no address and no network: write 192.0.2.1, 2001:db8::1 or 192.0.2.0/24")
	}
	*p = append(*p, prefix.Masked())
	return nil
}

// ports are port numbers.
type ports []uint16

func (p *ports) Type() string   { return "port" }
func (p *ports) String() string { return "" }
func (p *ports) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return valuef("no port: write a number up to 65535")
	}
	*p = append(*p, uint16(n))
	return nil
}
