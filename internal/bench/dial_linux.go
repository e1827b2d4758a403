package main

import (
	"errors"
	"flag"
	"fmt"
)

// options are how long to measure.
type options struct {
	rounds int // of each comparison, after one that is not counted
	dials  int // of each contestant in a round
	leave  int // dials after which nothing may be left
}

func parseOptions(args []string) (options, error) {
	o := options{}
	fs := flag.NewFlagSet("scripts/bench dial", flag.ContinueOnError)
	fs.IntVar(&o.rounds, "rounds", 51, "rounds of each comparison")
	fs.IntVar(&o.dials, "dials", 400, "dials of each contestant in a round")
	fs.IntVar(&o.leave, "leave", 100_000, "dials after which nothing may be left behind")
	quick := fs.Bool("quick", false, "a tenth of it all: does it run?")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o = options{rounds: 5, dials: o.dials / 4, leave: o.leave / 10}
	}
	if o.rounds < 1 || o.dials < 1 || o.leave < 1 || fs.NArg() > 0 {
		return o, errors.New("rounds, dials and leave are numbers above 0, and there is nothing else to say")
	}
	return o, nil
}

// orchestrate starts who listens, and lets the client measure.
func orchestrate(args []string) error {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	err = besideServers("client", o.rounds, o.dials, o.leave)
	if err == nil {
		fmt.Printf("\nreproduce: scripts/bench dial -rounds %d -dials %d -leave %d\n", o.rounds, o.dials, o.leave)
	}
	return err
}

// besideServers has a client measure where one listens beside it, and one behind a veth.
func besideServers(client string, numbers ...any) error {
	return onStage("floor", func(s *stage) error {
		if err := errors.Join(s.serve(s.here, lo+":"+port), s.serve(s.there, far+":"+port)); err != nil {
			return err
		}
		return s.client(append([]any{client, s.work}, numbers...)...)
	})
}
