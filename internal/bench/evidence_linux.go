package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/kernel"
)

// orchestrateEvidence compares dials that gather more and more.
func orchestrateEvidence(args []string) error {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	err = besideServers("evidenceclient", o.rounds, o.dials)
	if err == nil {
		fmt.Printf("\nreproduce: scripts/bench evidence -rounds %d -dials %d\n", o.rounds, o.dials)
	}
	return err
}

// evidenceClient measures within the client's namespace.
func evidenceClient(args []string) error {
	o := options{}
	var err [2]error
	o.rounds, err[0] = strconv.Atoi(args[1])
	o.dials, err[1] = strconv.Atoi(args[2])
	if err := errors.Join(err[:]...); err != nil {
		return err
	}
	cs := []contestant{gathering("no more than a dial has", dialscope.Dialer{}),
		gathering("Thorough", dialscope.Dialer{Thorough: true}),
		gathering("Packets", dialscope.Dialer{Packets: true})}
	began := time.Now()
	events, refused := kernel.Open()
	if refused == nil {
		fmt.Printf("\nkernel.Open, once: %v\n", time.Since(began).Round(time.Millisecond))
		defer events.Close()
		cs = append(cs, gathering("Kernel", dialscope.Dialer{Kernel: events}),
			gathering("Packets and Kernel", dialscope.Dialer{Packets: true, Kernel: events}))
	} else {
		fmt.Printf("\nleft out: Kernel: %v\n", refused)
	}
	for _, address := range []string{lo + ":" + port, far + ":" + port} {
		if err := compareEvidence(cs, address, o); err != nil {
			return err
		}
	}
	return evidenceOfCommand(filepath.Join(args[0], "dialscope"), far+":"+port, o.rounds)
}

// gathering is a dialer with some evidence switched on.
func gathering(name string, d dialscope.Dialer) contestant {
	d.Timeout = 30 * time.Second
	return contestant{name: name, dial: func(ctx context.Context, address string) (net.Conn, error) {
		conn, report, err := d.DialReport(ctx, "tcp", address)
		kept.Store(report)
		return conn, err
	}}
}

func compareEvidence(cs []contestant, address string, o options) error {
	fmt.Printf("\nevidence beside one dial, open, %s: %d rounds of %d dials\n", address, o.rounds, o.dials)
	fs := make([]figures, len(cs))
	for round := range o.rounds + 1 {
		for _, who := range order(len(cs), round) {
			took, err := cs[who].turn(address, o.dials, true)
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				fs[who].p50 = append(fs[who].p50, micros(quantile(took, 0.50)))
				fs[who].p99 = append(fs[who].p99, micros(quantile(took, 0.99)))
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\tp50\tp99\tp50 : none\tallocations\tbytes\n")
	for i, c := range cs {
		f := &fs[i]
		if err := countAllocations(f, c, address, o.dials, true); err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.1f\t%.0f\n", c.name, f.p50.format(1), f.p99.format(0), f.p50.ratio(fs[0].p50).format(2), f.mallocs, f.bytes)
	}
	return t.Flush()
}

// evidenceOfCommand is what the options cost a whole run of the command, loading
// and all.
func evidenceOfCommand(dialscope, address string, rounds int) error {
	commands := []command{
		{"--packets none --kernel never", []string{dialscope, "--packets", "none", "--kernel", "never", address}, 0},
		{"--packets auto --kernel never", []string{dialscope, "--packets", "auto", "--kernel", "never", address}, 0},
		{"--packets none --kernel overdue", []string{dialscope, "--packets", "none", "--kernel", "overdue", address}, 0},
	}
	first := command{"--packets none --kernel first", []string{dialscope, "--packets", "none", "--kernel", "first", address}, 0}
	if _, err := first.run(); err == nil {
		commands = append(commands, first)
	} else {
		fmt.Printf("\nleft out: %s: %v\n", first.name, err)
	}
	fmt.Printf("\nthe command, open, %s, start to exit: %d rounds of 1 run, ms\n", address, rounds)
	took, err := byTurns(commands, rounds)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\tms\t: none\n")
	for i, c := range commands {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.name, took[i].format(1), took[i].ratio(took[0]).format(2))
	}
	return t.Flush()
}
