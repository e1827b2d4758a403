package cli

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/talk"
)

// talkOptions are those of talk. Of dial's it has where to, from where, and what
// is shown.
type talkOptions struct {
	options

	send      string
	sendSet   bool
	idle      bool
	half      bool
	keepOpen  bool
	lines     bool
	output    string
	flags     sendFlags
	deadPeer  bool
	rtt       seconds
	heartbeat seconds
	beat      escaped
	keepalive keepalive

	tls         bool
	tlsName     string
	tlsInsecure bool
	tlsALPN     []string
	tlsCA       string
}

func newTalkOptions() *talkOptions {
	o := &talkOptions{beat: "\n"}
	o.network, o.colour = "tcp", string(terminal.Auto)
	o.timeout, o.fallbackDelay = seconds(defaultTimeout), delay(defaultDelay)
	return o
}

func (o *talkOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.Var(choice{&o.network, networks}, "network", "`NET` is tcp, tcp4, tcp6, udp, udp4 or udp6; over UDP each read of the input is a datagram")
	flags.BoolVarP(&o.v4, "ipv4", "4", false, "IPv4 only")
	flags.BoolVarP(&o.v6, "ipv6", "6", false, "IPv6 only")
	flags.Var(&o.timeout, "timeout", "give up opening the connection after `TIME`; 0 leaves it to the kernel")
	flags.Var(&o.bound, "for", "end the talk after `TIME`; 0 for no limit")
	flags.StringVar(&o.send, "send", "", "send `TEXT` (with \\n, \\r, \\t, \\0, \\xNN) and nothing of standard input")
	flags.BoolVar(&o.idle, "idle", false, "send nothing: keep the connection until its peer or its path ends it")
	flags.BoolVarP(&o.half, "shutdown", "N", false, "send FIN when the input has ended, as is done anyway, or after --send")
	flags.BoolVar(&o.keepOpen, "keep-open", false, "do not send FIN when the input has ended")
	flags.BoolVar(&o.lines, "lines", false, "over UDP, send each line of the input as a datagram")
	flags.Var(&o.flags, "send-flags", "send everything with these `FLAGS` of send(2): oob, more, eor, dontroute, dontwait; several with commas")
	flags.StringVarP(&o.output, "output", "o", "", "write what the peer sends to `FILE`, not to standard output")

	flags.Var(&o.heartbeat, "heartbeat", "send a heartbeat whenever nothing was sent for `TIME`")
	flags.Var(&o.beat, "heartbeat-text", "the heartbeat is `TEXT`, with the escapes of --send (default \"\\n\", a line)")
	flags.Var(&o.keepalive, "keepalive", "`IDLE,INTERVAL,COUNT` of SO_KEEPALIVE, or off (default 15s,15s,9)")
	flags.Var(&o.userTimeout, "user-timeout", "TCP_USER_TIMEOUT: `TIME` that data may stay unacknowledged")
	flags.BoolVar(&o.deadPeer, "dead-peer", false, "do not talk, but predict when a dead peer would be noticed with these settings")
	flags.Var(&o.rtt, "rtt", "with --dead-peer and no target: the round trip is `TIME`")

	flags.BoolVar(&o.tls, "tls", false, "speak TLS, and tell the certificate's facts")
	flags.StringVar(&o.tlsName, "tls-name", "", "the certificate has to be for `NAME`, which is also asked for (default: the target's host)")
	flags.BoolVar(&o.tlsInsecure, "tls-insecure", false, "talk also to a peer whose certificate is not trusted")
	flags.StringSliceVar(&o.tlsALPN, "tls-alpn", nil, "offer `PROTOCOL`s by ALPN: h2, http/1.1")
	flags.StringVar(&o.tlsCA, "tls-ca", "", "trust the certificates of `FILE` (PEM), not those of this host")

	flags.Var(&o.source, "source", "bind to `ADDR[:PORT]` of this host")
	flags.StringVar(&o.iface, "interface", "", "bind to the network interface `NAME`")
	flags.Var(bounded{&o.mark, 0, 1<<32 - 1}, "mark", "packet mark `N` for policy routing (needs CAP_NET_ADMIN or CAP_NET_RAW)")
	flags.Var(bounded{&o.tos, 0, 255}, "tos", "traffic class octet `N` (DSCP and ECN), 0 to 255")
	flags.Var(choice{&o.probes, []string{"none", "few", "all"}}, "probes", "look into silence by probes, `WHICH`: none, few or all; but for none, a connection that ended in silence is followed by one new one, to learn why")
	flags.BoolVar(&o.json, "json", false, "JSON: one document when the connection has ended")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no line at the end, only the exit status")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "the whole answer at the end, with every observation")
	flags.Var(choice{&o.colour, []string{"auto", "always", "never"}}, "color", "colour `WHEN`: auto, always or never; NO_COLOR is heeded")
}

// check finds options that contradict each other.
func (o *talkOptions) check(flags *pflag.FlagSet) error {
	set := func(name string) bool { return flags.Changed(name) }
	o.sendSet = set("send")
	if _, err := unescape(o.send); err != nil {
		return usagef("--send %q: %v", clip(o.send), err)
	}
	for _, c := range []struct {
		wrong bool
		text  string
	}{
		{o.idle && o.sendSet, "--idle sends nothing: remove it or --send"},
		{o.half && o.keepOpen, "-N and --keep-open exclude each other: remove one"},
		{o.idle && o.half, "--idle sends no FIN: remove it or -N"},
		{set("heartbeat") && o.heartbeat == 0, "--heartbeat 0 is no time: leave it out for no heartbeats"},
		{set("heartbeat-text") && o.heartbeat == 0, "--heartbeat-text is for --heartbeat: add it"},
		{o.beat == "" && o.heartbeat > 0 && !o.udp(), "an empty heartbeat sends nothing over TCP: give --heartbeat-text at least one byte"},
		{!o.tls && (o.tlsName != "" || o.tlsInsecure || len(o.tlsALPN) > 0 || o.tlsCA != ""), "--tls-… are for --tls: add it"},
		{o.tls && o.udp(), "--tls is over TCP: remove it or --network " + o.network},
		{o.tls && o.flags.SendFlags != 0, "--send-flags would go round the encryption: remove it or --tls"},
		{o.udp() && set("keepalive"), "--keepalive is TCP's: remove it or --network " + o.network},
		{o.lines && !o.udp(), "--lines is for datagrams: add --network udp"},
		{o.deadPeer && o.udp(), "--dead-peer is about TCP: remove --network " + o.network},
		{set("rtt") && !o.deadPeer, "--rtt is for --dead-peer: add it"},
	} {
		if c.wrong {
			return &usageError{c.text}
		}
	}
	if o.tlsCA != "" {
		if _, err := readRoots(o.tlsCA); err != nil {
			return err
		}
	}
	return o.options.check(flags)
}

func (o *talkOptions) udp() bool { return strings.HasPrefix(o.network, "udp") }

func (o *talkOptions) toSend() []byte {
	text, _ := unescape(o.send)
	return []byte(text)
}

// halfClose says whether FIN is sent when everything has been.
func (o *talkOptions) halfClose() bool {
	switch {
	case o.keepOpen, o.idle:
		return false
	case o.sendSet:
		return o.half
	}
	return true
}

func (o *talkOptions) dialerFor(t target.Target) *dialscope.Dialer {
	d := o.dialer(t)
	d.UDPProbe = nil
	d.KeepAliveConfig = o.keepalive.config()
	if o.keepalive.off {
		d.KeepAlive = -1
	}
	return d
}

// againTimeout is enough for three SYNs: routers limit their ICMP errors to one a second or so.
const againTimeout = 2300 * time.Millisecond

func (o *talkOptions) dialerAgain(t target.Target) *dialscope.Dialer {
	d := o.dialer(t)
	d.Timeout = againTimeout
	if a, is := d.LocalAddr.(*net.TCPAddr); is {
		d.LocalAddr = &net.TCPAddr{IP: a.IP, Zone: a.Zone} // its port is still the old connection's
	}
	return d
}

func (o *talkOptions) secure(t target.Target) *talk.Secure {
	s := &talk.Secure{Name: o.tlsName, ALPN: o.tlsALPN, Insecure: o.tlsInsecure}
	if s.Name == "" {
		s.Name = strings.TrimSuffix(t.Host, ".")
	}
	if o.tlsCA != "" {
		s.Roots, _ = readRoots(o.tlsCA)
	}
	return s
}

// sendFlags are names of flags of send(2).
type sendFlags struct{ dialscope.SendFlags }

func (f *sendFlags) Type() string { return "flags" }
func (f *sendFlags) String() string {
	if f.SendFlags == 0 {
		return ""
	}
	return f.SendFlags.String()
}

func (f *sendFlags) Set(text string) error {
	flags, err := dialscope.ParseSendFlags(text)
	if err != nil {
		return valuef("%v", err)
	}
	f.SendFlags = flags
	return nil
}

// keepalive is IDLE,INTERVAL,COUNT.
type keepalive struct {
	off            bool
	idle, interval time.Duration
	count          int
}

func (k *keepalive) Type() string { return "keepalive" }
func (k *keepalive) String() string {
	switch {
	case k.off:
		return "off"
	case k.idle == 0:
		return ""
	}
	return k.idle.String() + "," + k.interval.String() + "," + strconv.Itoa(k.count)
}

func (k *keepalive) Set(text string) error {
	bad := valuef("write IDLE,INTERVAL,COUNT in whole seconds from 1 to 32767, COUNT from 1 to 127, for example 10s,2s,3; or off")
	if text == "off" {
		*k = keepalive{off: true}
		return nil
	}
	words := strings.Split(text, ",")
	if len(words) != 3 {
		return bad
	}
	whole := func(word string) (time.Duration, bool) {
		d, err := parseDuration(strings.TrimSpace(word))
		return d, err == nil && d%time.Second == 0 && d >= time.Second && d <= 32767*time.Second // MAX_TCP_KEEPIDLE
	}
	idle, one := whole(words[0])
	interval, two := whole(words[1])
	count, err := strconv.Atoi(strings.TrimSpace(words[2]))
	if !one || !two || err != nil || count < 1 || count > 127 { // MAX_TCP_KEEPCNT
		return bad
	}
	*k = keepalive{idle: idle, interval: interval, count: count}
	return nil
}

// config is what the socket is told; the zero value leaves the default.
func (k *keepalive) config() net.KeepAliveConfig {
	if k.off || k.idle == 0 {
		return net.KeepAliveConfig{}
	}
	return net.KeepAliveConfig{Enable: true, Idle: k.idle, Interval: k.interval, Count: k.count}
}

// escaped is a text with escapes.
type escaped string

func (e *escaped) Type() string   { return "text" }
func (e *escaped) String() string { return "" }
func (e *escaped) Set(text string) error {
	plain, err := unescape(text)
	if err != nil {
		return err
	}
	*e = escaped(plain)
	return nil
}

// unescape reads \n, \r, \t, \0, \\ and \xNN.
func unescape(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", valuef("it ends in a backslash: write \\\\ for one")
		}
		switch text[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '0':
			b.WriteByte(0)
		case '\\':
			b.WriteByte('\\')
		case 'x':
			if i+2 >= len(text) {
				return "", valuef("\\x takes two hexadecimal digits: \\x0a")
			}
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", valuef("\\x takes two hexadecimal digits: \\x0a")
			}
			b.WriteByte(byte(n))
			i += 2
		default:
			return "", valuef("\\%c is no escape: there are \\n, \\r, \\t, \\0, \\\\ and \\xNN", text[i])
		}
	}
	return b.String(), nil
}
