package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/cli/answer"
	"github.com/dialscope/dialscope/internal/cli/target"
	"github.com/dialscope/dialscope/internal/cli/terminal"
	"github.com/dialscope/dialscope/internal/talk"
)

// exitInsecure is talk's own status: TLS was asked for, and there was no
// handshake or no trust.
const exitInsecure = 6

const aboutTalk = `talk joins standard input and output to a connection, as nc does, and says in one line on the error stream how it ended: who ended it, how, in which state, and how many bytes were sent, acknowledged, received, and still unacknowledged. Sent is not received: what is not acknowledged, nobody may have.

At the end of its input talk sends FIN and goes on receiving (-N, the default); --keep-open leaves that out. With --send or --idle nothing is read from standard input and no FIN is sent, unless -N asks for it. When the peer has sent FIN, talk ends once it has everything and the input has paused for half a second.

With --json the document of dial is printed when the connection has ended, with the end's verdict and counters; what the peer sends is then thrown away, or written to --output.

Exit status: 0 the connection ended in order, 1 refused, reset or broken, 2 timeout: nobody acknowledged, or nobody read, 3 unreachable, 4 the name has no address, 5 a fault of this host, 6 no trusted TLS, 64 usage, 70 the input or output failed, 130 interrupted.`

func (a *app) talkCommand() *cobra.Command {
	o := newTalkOptions()
	cmd := &cobra.Command{
		Use:   "talk TARGET",
		Short: "Join input and output to a connection, and say exactly how it ended",
		Long:  aboutTalk,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 && !(o.deadPeer && len(args) == 0) {
				return usagef("talk is with one peer, not with %d: write dialscope talk HOST:PORT", len(args))
			}
			return nil
		},
		ValidArgsFunction: completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.options = &o.options
			if err := o.check(cmd.Flags()); err != nil {
				return err
			}
			if o.deadPeer && len(args) == 0 {
				return a.deadPeer(o, nil)
			}
			t, err := a.parse(args[0], o.dialNetwork())
			if err != nil {
				return err
			}
			if o.deadPeer {
				return a.deadPeerOf(cmd.Context(), o, t)
			}
			return a.talk(cmd.Context(), o, t)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// talk opens the connection, talks and tells how it ended.
func (a *app) talk(ctx context.Context, o *talkOptions, t target.Target) error {
	talk.IgnoreBrokenPipes()
	out, closeOut, err := a.talkOutput(o)
	if err != nil {
		return err
	}
	defer closeOut()
	conn, report, err := a.open(ctx, o, t)
	if conn == nil {
		return err
	}
	if o.bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.bound))
		defer cancel()
	}
	watched := report.Watch(conn)
	ending := &ended{app: a, talkOptions: o, target: t, conn: watched}
	c := talk.Config{
		Out: out, Send: o.toSend(), Flags: o.flags.SendFlags, HalfClose: o.halfClose(),
		Heartbeat: time.Duration(o.heartbeat), Beat: []byte(o.beat), Datagrams: o.udp(), Lines: o.lines,
	}
	if !o.idle && !o.sendSet {
		c.In = a.stdin
	}
	if o.tls {
		secure := o.secure(t)
		var failed error
		if c.Stream, ending.tls, failed = secure.Handshake(ctx, watched); failed != nil {
			if ctx.Err() != nil {
				watched.GiveUp(ctx)
			}
			watched.Close()
			return ending.tell(nil, failed)
		}
		if !o.json && !o.quiet {
			io.WriteString(a.stderr, secureText(terminal.Detect(a.stderr, terminal.Mode(o.colour), a.env), ending.tls)) //nolint:errcheck // the talk goes on
		}
	}
	fault := talk.Run(ctx, watched, c)
	if o.probes != "none" && !o.udp() {
		watched.ConnectAgain(context.WithoutCancel(ctx), o.dialerAgain(t))
	}
	return ending.tell(fault, nil)
}

// open opens the connection. Why there is none has been told, or is the error;
// the error is the exit status, too.
func (a *app) open(ctx context.Context, o *talkOptions, t target.Target) (net.Conn, *dialscope.Report, error) {
	conn, report, err := o.dialerFor(t).DialReport(ctx, o.dialNetwork(), t.String())
	var explained *dialscope.Error
	switch {
	case err != nil && !errors.As(err, &explained):
		return nil, nil, fmt.Errorf("%s could not be dialed: %w", t, err)
	case err != nil:
		return nil, nil, a.tellUnopened(o, t, report)
	}
	return conn, report, nil
}

// talkOutput is where the peer's bytes go.
func (a *app) talkOutput(o *talkOptions) (io.Writer, func(), error) {
	switch {
	case o.output != "":
		f, err := os.Create(o.output)
		if err != nil {
			return nil, nil, usagef("the output file %q cannot be written: %v", clip(o.output), reason(err))
		}
		return f, func() { f.Close() }, nil
	case o.json:
		return io.Discard, func() {}, nil
	}
	return a.stdout, func() {}, nil
}

// tellUnopened tells of a connection that there never was, as dial does. The
// text goes to the error stream: standard output is the peer's.
func (a *app) tellUnopened(o *talkOptions, t target.Target, report *dialscope.Report) error {
	d := asked{target: t, report: report, verdict: report.Verdict()}
	switch {
	case o.json:
		if err := a.printJSON(report, terminal.Is(a.stdout)); err != nil {
			return err
		}
	case !o.quiet:
		style := terminal.Detect(a.stderr, terminal.Mode(o.colour), a.env)
		io.WriteString(a.stderr, answer.Text(style, a.answerOf(d), o.verbose)) //nolint:errcheck // the exit status says it, too
	}
	return exit(d.status())
}

// ended is a talk that is over.
type ended struct {
	*app
	*talkOptions
	target target.Target
	conn   *dialscope.Conn
	tls    *talk.TLS
}

// document is the dial's document with what talk knows beside it.
func (e *ended) document(report *dialscope.Report, fault error) (any, error) {
	if e.tls == nil && fault == nil {
		return report, nil
	}
	data, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	more := struct {
		TLS   *talk.TLS `json:"tls,omitempty"`
		Fault string    `json:"fault,omitempty"` // of this end's own input or output
	}{TLS: e.tls}
	if fault != nil {
		more.Fault = fault.Error()
	}
	extra, err := json.Marshal(more)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(string(data[:len(data)-1]) + "," + string(extra[1:])), nil
}

// tell says how the connection ended. Fault is one of this end's own input or
// output, insecure one of the TLS handshake.
func (e *ended) tell(fault, insecure error) error {
	report := e.conn.Report()
	v := report.Verdict()
	code := talkStatus(v)
	var dead *dialscope.Error
	switch {
	case insecure != nil && !errors.As(insecure, &dead) && v.Outcome != cause.Cancelled && v.Outcome != cause.Timeout:
		code = exitInsecure
	case fault != nil && code == exitOpen:
		code = exitFailed
	}
	if fault != nil && talk.OutputGone(fault) { // whoever read it has seen enough
		code, fault = exitOpen, nil
	}
	switch {
	case e.json:
		doc, err := e.document(report, fault)
		if err != nil {
			return fmt.Errorf("the answer could not be written as JSON: %w", err)
		}
		if err := e.printJSON(doc, terminal.Is(e.stdout)); err != nil {
			return err
		}
	case !e.quiet:
		style := terminal.Detect(e.stderr, terminal.Mode(e.colour), e.env)
		ans := e.answerOf(asked{target: e.target, report: report, verdict: v})
		text := ""
		if e.verbose {
			text = answer.Text(style, ans, true)
		}
		if insecure != nil && e.tls != nil {
			text += secureText(style, e.tls)
		}
		io.WriteString(e.stderr, text+answer.Ending(style, ans)) //nolint:errcheck // the exit status says it, too
	}
	if fault != nil && !e.json {
		e.complain(strings.TrimPrefix(fault.Error(), "dialscope: "))
	}
	return exit(code)
}

// talkStatus is the exit status that an end stands for.
func talkStatus(v cause.Verdict) int {
	if answer.InOrder(v) {
		return exitOpen
	}
	if v.Outcome == cause.Open { // it was in order for us, and yet something is to be said
		return exitTimeout
	}
	return exitOf(v.Outcome)
}
