package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"text/tabwriter"
	"time"
)

// command is a program that opens one connection.
type command struct {
	name string
	argv []string
	exit int // what it says of a refusal
}

// startToVerdict times whole processes against a port where nobody listens,
// from fork to exit.
func startToVerdict(dialscope string, rounds int) error {
	fmt.Printf("\nthe binary, refused on loopback, start to exit: %d rounds of 1 run, ms\n", rounds)
	all := []command{
		{"dialscope", []string{dialscope, lo + ":" + shut}, 1},
		{"dialscope --json", []string{dialscope, "--json", lo + ":" + shut}, 1},
		{"nc -z", []string{"nc", "-z", lo, shut}, 1},
		{"curl", []string{"curl", "-s", "http://" + lo + ":" + shut + "/"}, 7},
	}
	var commands []command
	for _, c := range all {
		if _, err := exec.LookPath(c.argv[0]); err != nil {
			fmt.Printf("%s is not installed and left out (Debian: apt-get install netcat-openbsd curl)\n", c.argv[0])
			continue
		}
		commands = append(commands, c)
	}
	took, err := byTurns(commands, rounds)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	for i, c := range commands {
		fmt.Fprintf(t, "%s\t%s\n", c.name, took[i].format(1))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	goal("dialscope's median in ms", took[0].median(), 15)
	return nil
}

// byTurns runs each command in every round, and gives their times in ms. The
// first round is not counted.
func byTurns(commands []command, rounds int) ([]spread, error) {
	took := make([]spread, len(commands))
	for round := range rounds + 1 {
		for _, who := range order(len(commands), round) {
			t, err := commands[who].run()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				took[who] = append(took[who], micros(t)/1000)
			}
		}
	}
	return took, nil
}

func (c command) run() (time.Duration, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != c.exit {
		return took, fmt.Errorf("%s: want exit code %d, got: %v", c.name, c.exit, err)
	}
	return took, nil
}
