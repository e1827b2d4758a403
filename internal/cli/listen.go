package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope/internal/cli/progress"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/listen"
)

const listenAbout = `listen is a server to test against. It accepts connections, says who came and how each connection ended (who ended it, FIN, RST or silence, how many bytes, how long it took, and the verdict on it, with the evidence in --json), and behaves as it is told: well, or badly in one exact way. What comes is read and thrown away unless an option says otherwise, and a connection is closed when its peer has closed.

ADDR is ADDRESS:PORT, [IPv6]:PORT, a range of ports (127.0.0.1:9000-9009), or several of those. Without an address it is 127.0.0.1: :9000 is reached from this host only; *:9000 is every address of both families. Port 0 is one that the kernel chooses, and which is printed. With --udp it receives datagrams.

Each processor has a socket of its own (SO_REUSEPORT). As many connections are held as there are descriptors; the limit is named when it is reached, and accepting goes on when there is room. ^C ends the server, closes what is open, and prints the summary.

The exit status is 0 after --for or --count, 130 after ^C, 5 when an address cannot be listened on, and 64 for usage.`

func (a *app) listenCommand() *cobra.Command {
	o := new(listenOptions)
	cmd := &cobra.Command{
		Use:   "listen ADDR...",
		Short: "Be the server: accept, behave as told, and say how each connection ended",
		Long:  listenAbout,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := o.build(cmd.Flags().Changed, args)
			if err != nil {
				return err
			}
			return a.listen(cmd.Context(), o, options)
		},
	}
	o.register(cmd.Flags())
	words := func(name string, choices ...string) {
		complete(cmd, name, func(string) []string { return choices })
	}
	words("network", networks...)
	words("color", "auto", "always", "never")
	for _, name := range []string{"welcome", "delay", "crash-after", "keepalive", "user-timeout", "backlog", "refuse-after", "count", "for", "threads"} {
		words(name)
	}
	return cmd
}

// listening is one server under way.
type listening struct {
	*app
	*listenOptions
	style  terminal.Style
	server *listen.Server
	out    *bufio.Writer
	line   *progress.Line // nil: no terminal
	failed error          // of the output
	stop   context.CancelFunc
}

func (a *app) listen(ctx context.Context, o *listenOptions, options listen.Options) error {
	l := &listening{app: a, listenOptions: o, out: bufio.NewWriterSize(a.stdout, 1<<16)}
	l.style = terminal.Detect(a.stdout, terminal.Mode(o.colour), a.env)
	if options.CrashAfter > 0 {
		if err := listen.CanCrash(); err != nil {
			return fmt.Errorf("--crash-after: %w; run it as root, or in a network of its own (unshare -rn); --reset --delay %s ends connections without it", err, options.CrashAfter)
		}
	}
	if !o.quiet {
		options.Each = l.each
		if terminal.Is(a.stderr) {
			l.line = progress.NewLine(a.stderr, terminal.Detect(a.stderr, terminal.Auto, a.env))
		}
	}
	var err error
	if l.server, err = listen.Open(options); err != nil {
		return a.listenError(err)
	}
	ctx, l.stop = context.WithCancel(ctx)
	defer l.stop()
	if o.bound > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, time.Duration(o.bound))
		defer done()
	}
	if o.quiet {
		// Who starts a server has to learn when it is there, and at which port.
		l.each(listeningEvents(l.server.Addrs()))
	}
	stop := l.line.Start(l.counters)
	sum := l.server.Run(ctx)
	stop()
	if l.failed == nil {
		l.summary(sum)
		if err := l.out.Flush(); err != nil {
			l.failed = err
		}
	}
	switch {
	case l.failed != nil:
		return fmt.Errorf("the events could not be written: %w", l.failed)
	case sum.Reason == "interrupted":
		return exit(exitCancelled)
	}
	return nil
}

func listeningEvents(addrs []netip.AddrPort) []listen.Event {
	events := make([]listen.Event, len(addrs))
	for i, a := range addrs {
		events[i] = listen.Event{Kind: listen.Listening, At: time.Now(), Local: a}
	}
	return events
}

// each writes events, as they come. The server calls it, one call at a time.
func (l *listening) each(events []listen.Event) {
	if l.failed != nil {
		return
	}
	l.line.Erase()
	for i := range events {
		l.event(&events[i])
	}
	if !l.json && events[0].Kind == listen.Listening {
		l.announce(events)
	}
	if err := l.out.Flush(); err != nil {
		l.failed = err
		l.stop()
	}
}

func (l *listening) event(e *listen.Event) {
	if l.json {
		data, err := json.Marshal(e)
		if err != nil {
			l.failed = err
			return
		}
		l.out.Write(append(data, '\n'))
		return
	}
	if text := l.words(e); text != "" {
		l.out.WriteString(l.style.Text(text) + "\n")
	}
}

// counters is the line on the terminal.
func (l *listening) counters(after time.Duration) string {
	c := l.server.Counters()
	if strings.HasPrefix(l.network, "udp") {
		return fmt.Sprintf("%s  %d datagrams from %d peers, %d answers, in %s, out %s",
			after.Round(time.Second), c.Datagrams, c.Peers, c.Answers, octets(c.In), octets(c.Out))
	}
	text := fmt.Sprintf("%s  %d open, %d accepted, %d ended, in %s, out %s", after.Round(time.Second), c.Open, c.Accepted, c.Ended, octets(c.In), octets(c.Out))
	if c.Queued > 0 {
		text += fmt.Sprintf(", %d in the queue", c.Queued)
	}
	return text
}

// listenError words what is in an address's way.
func (a *app) listenError(err error) error {
	var bind *listen.BindError
	if !errors.As(err, &bind) {
		return err
	}
	protocol := strings.TrimRight(bind.Network, "46")
	text := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		text = fmt.Sprintf("%s is in use: %s", bind.Addr, holderWords(bind, protocol))
	case errors.Is(err, syscall.EACCES):
		text = fmt.Sprintf("port %d is privileged", bind.Addr.Port())
		if bind.Lowest > 0 {
			text += fmt.Sprintf(" (net.ipv4.ip_unprivileged_port_start is %d)", bind.Lowest)
		}
		text += fmt.Sprintf(": choose a higher one, or run once as root: setcap cap_net_bind_service=+ep PATH/TO/dialscope, or sysctl -w net.ipv4.ip_unprivileged_port_start=%d", bind.Addr.Port())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		text = fmt.Sprintf("%s is no address of this host: ip -brief address lists them", bind.Addr.Addr())
	case errors.Is(err, syscall.EAFNOSUPPORT):
		text = fmt.Sprintf("this host has no %s", family(bind.Addr.Addr()))
	default:
		text = fmt.Sprintf("cannot listen on %s: %v", bind.Addr, err)
	}
	a.complain(text)
	return exit(exitLocal)
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// holderWords says who has an address.
func holderWords(bind *listen.BindError, protocol string) string {
	letter := "t"
	if protocol == "udp" {
		letter = "u"
	}
	look := fmt.Sprintf("ss -%slnp 'sport = :%d' as root names it", letter, bind.Addr.Port())
	h := bind.Holder
	switch {
	case h == nil:
		return "a socket that is not seen from here has it, of another network namespace or bound without listening: choose another port"
	case h.PID == 0 && h.State == "TIME_WAIT":
		return fmt.Sprintf("a connection of its last user is in TIME_WAIT (%s): wait a minute, or choose another port", h.Local)
	case h.PID == 0:
		return fmt.Sprintf("a process of another user has it (%s, %s): %s; choose another port", h.Local, h.State, look)
	}
	what := "has a socket there"
	if h.State == "LISTEN" {
		what = "listens"
	}
	return fmt.Sprintf("%s, process %d, %s on %s: end it, or choose another port", h.Command, h.PID, what, h.Local)
}

// octets is a count of bytes for a person.
func octets(n uint64) string {
	const step = 1000
	if n < 10*step {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if value, unit = value/step, u; value < step {
			break
		}
	}
	return fmt.Sprintf("%.3g %s", value, unit)
}

// servicePort is the port of a service that services(5) names; nothing is asked
// on the network.
func servicePort(network string) func(string) (uint16, bool) {
	return func(name string) (uint16, bool) {
		port, err := net.LookupPort(network, name)
		return uint16(port), err == nil
	}
}
