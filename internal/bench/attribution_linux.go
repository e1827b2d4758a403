package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/lab"
)

// attributed are the scenarios that are taken where none is named.
var attributed = []string{
	"port-closed-far", "path-firewall-drop", "host-firewall-drop-far", "host-silent-far", "path-firewall-reset",
	"icmp-13-from-router", "router-route-unreachable", "routing-loop", "listen-queue-full", "neighbour-unresolved",
	"local-firewall-drop-output", "reverse-path-filter", "syn-proxy",
}

// attributor is a tool that is asked why a connection does not work.
type attributor struct {
	name     string
	argv     []string // HOST and PORT stand for the target's
	level    lab.Level
	condense condense
}

// asked is what came of asking one tool once.
type asked struct {
	tool string
	said
	took           time.Duration
	named, culprit string // was the truth named
}

// attribution asks dialscope and what else tells of a path the same question,
// in the same scenarios of the lab, and notes who names the truth.
func attribution(args []string) error {
	flags := flag.NewFlagSet("attribution", flag.ContinueOnError)
	limit := flags.Duration("timeout", 10*time.Second, "how long a tool may take")
	page := flags.String("md", "", "write a page of Markdown, too")
	binary := flags.String("dialscope", "bin/dialscope", "the program")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("nmap, tcptraceroute, mtr and hping3 send packets of their own: run this as root")
	}
	scenarios, err := chosen(flags.Args())
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-attribution-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := forEveryone(*binary, dir)
	if err != nil {
		return err
	}
	tools, missing := present([]attributor{
		{"dialscope", []string{program, "--json", "HOST:PORT"}, lab.Privileged, dialscopeSaid},
		{"dialscope, no privileges", []string{program, "--json", "HOST:PORT"}, lab.Unprivileged, dialscopeSaid},
		{"nmap", []string{"nmap", "-n", "-Pn", "--reason", "-p", "PORT", "HOST"}, lab.Privileged, nmapSaid},
		{"tcptraceroute", []string{"tcptraceroute", "-n", "-q", "1", "-w", "1", "-m", "8", "HOST", "PORT"}, lab.Privileged, tcptracerouteSaid},
		{"mtr", []string{"mtr", "-n", "--tcp", "-P", "PORT", "-r", "-c", "3", "-G", "1", "-m", "8", "HOST"}, lab.Privileged, mtrSaid},
		{"hping3", []string{"hping3", "-n", "-S", "-p", "PORT", "-c", "3", "HOST"}, lab.Privileged, hpingSaid},
	})
	t := attributionTable{Date: time.Now().UTC(), Args: args, Limit: *limit, Tools: tools, Missing: missing}
	for _, s := range scenarios {
		row, err := t.ask(os.Stdout, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		t.Rows = append(t.Rows, row)
	}
	t.printSum(os.Stdout)
	if *page == "" {
		return nil
	}
	return os.WriteFile(*page, []byte(t.markdown()), 0o644)
}

// chosen are the scenarios of these names or patterns. Of those that fit a
// pattern, what cannot be put to all tools is left out.
func chosen(names []string) (all []*lab.Scenario, err error) {
	if len(names) == 0 {
		names = attributed
	}
	for _, name := range names {
		found, err := lab.Find(name)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			err := askable(s)
			if err != nil && len(found) == 1 {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			if err == nil && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: none of these scenarios is a TCP SYN to an IPv4 address and a port; take another", strings.Join(names, " "))
	}
	return all, nil
}

// forEveryone copies the program to a folder where a user without privileges
// can start it, too.
func forEveryone(binary, dir string) (program string, err error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "dialscope")
	return program, errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, content, 0o755))
}

// present leaves out what is not installed.
func present(all []attributor) (tools []attributor, missing []string) {
	for _, a := range all {
		if _, err := exec.LookPath(a.argv[0]); err != nil {
			missing = append(missing, a.name)
			continue
		}
		tools = append(tools, a)
	}
	return tools, missing
}

// askable says why a scenario cannot be put to all tools: they know no more
// of it than an address and a TCP port.
func askable(s *lab.Scenario) error {
	to, err := netip.ParseAddrPort(s.Dial.Target)
	switch {
	case err != nil || !to.Addr().Is4():
		return fmt.Errorf("its target %s is not an IPv4 address and a port, which is all that every tool takes; take another scenario", s.Dial.Target)
	case s.Confine != nil || s.Dial.Command != "" || s.Dial.Signal != "" || len(s.Then) > 0 || slices.Contains(s.Dial.Flags, "--network"):
		return errors.New("what is wrong is not between a TCP SYN and its answer; take another scenario")
	}
	return nil
}

// attributionRow is one scenario and what was said of it.
type attributionRow struct {
	scenario *lab.Scenario
	asked    []asked
}

// ask puts a scenario to every tool, each in a network built anew, and prints
// what it says.
func (t *attributionTable) ask(w io.Writer, s *lab.Scenario) (row attributionRow, err error) {
	row.scenario = s
	fmt.Fprintf(w, "\n%s: %s\ntruth: %s, %s\n", s.Name, s.Title, s.Truth.Cause, s.Truth.Culprit)
	for _, tool := range t.Tools {
		one, err := tool.ask(s, t.Limit)
		if err != nil {
			return row, fmt.Errorf("%s: %w", tool.name, err)
		}
		row.asked = append(row.asked, one)
		fmt.Fprintf(w, "  %-25s %-52s %6.2f s   cause %-6s culprit %s\n", one.tool, one.words, one.took.Seconds(), one.named, one.culprit)
	}
	return row, nil
}

func (a attributor) ask(s *lab.Scenario, limit time.Duration) (one asked, err error) {
	to := netip.MustParseAddrPort(s.Dial.Target)
	fill := strings.NewReplacer("HOST", to.Addr().String(), "PORT", strconv.Itoa(int(to.Port())))
	argv := make([]string, len(a.argv))
	for i, word := range a.argv {
		argv[i] = fill.Replace(word)
	}
	st, err := lab.Build(context.Background(), s)
	if err != nil {
		return one, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := st.Client().Command(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // some report then
	cmd.WaitDelay = time.Second
	if a.level == lab.Unprivileged {
		cmd.Unprivileged()
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return one, err
	}
	_ = cmd.Wait() // the exit status says no more than the output
	one = asked{tool: a.name, said: a.condense(out.String(), to), took: time.Since(began)}
	if ctx.Err() != nil {
		one.words += ", stopped"
	}
	one.here = one.here || slices.Contains(clients(s.Plan), one.who)
	truth := s.TruthAt(a.level)
	one.named, one.culprit = causeNamed(truth, one.said), culpritNamed(truth, one.said)
	return one, nil
}

// clients are the addresses of the client.
func clients(p *lab.Plan) (own []netip.Addr) {
	for _, l := range p.Links {
		for _, end := range []lab.PlanEnd{l.A, l.B} {
			for _, prefix := range end.Addrs {
				if end.Host == "client" {
					own = append(own, prefix.Addr())
				}
			}
		}
	}
	return own
}

// causeNamed judges words: yes; among, where the truth is one of several
// readings that the tool itself offers; no, where they leave it open, or say what
// is so but not why; wrong.
func causeNamed(truth lab.Truth, s said) string {
	open := s.cause == cause.IsOpen && truth.Outcome == cause.Open && truth.Cause != cause.IsOpen
	switch {
	case open && slices.Contains(s.among, truth.Cause):
		return "among"
	case open:
		return "no"
	case s.cause == truth.Cause || slices.Contains(truth.Also, s.cause):
		return "yes"
	case slices.Contains(s.among, truth.Cause):
		return "among"
	case s.cause == "":
		return "no"
	}
	return "wrong"
}

// culpritNamed judges whom the words blame.
func culpritNamed(truth lab.Truth, s said) string {
	kind, address, has := strings.Cut(truth.Culprit, " ")
	switch {
	case cause.Kind(kind) == cause.Local && s.here, has && s.who.IsValid() && s.who.String() == address:
		return "yes"
	case cause.Kind(kind) == cause.Nobody:
		return "–"
	}
	return "no"
}

// commandOf is a tool's command line as a person would type it.
func (a attributor) commandOf() string {
	return strings.Join(append([]string{filepath.Base(a.argv[0])}, a.argv[1:]...), " ")
}
