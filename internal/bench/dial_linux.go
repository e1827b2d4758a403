package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// The two hosts of the bench. Nothing listens at shut.
const (
	near   = "198.51.100.1" // the client, TEST-NET-2 (RFC 5737)
	far    = "198.51.100.2"
	lo     = "127.0.0.1"
	port   = "7000"
	shut   = "7001"
	prefix = "/30"
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

// orchestrate builds the network, starts who listens, and lets the client
// measure.
func orchestrate(args []string) error {
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if netns.Supported() != nil && os.Getenv("DIALSCOPE_BENCH_INSIDE") == "" {
		return inside()
	}
	work, err := os.MkdirTemp("", "dialscope-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(work); err != nil {
		return err
	}
	printMachine(os.Stdout, work)

	network, err := netns.New()
	if err != nil {
		return err
	}
	defer network.Close()
	here, err := network.Host("client")
	if err != nil {
		return err
	}
	there, err := network.Host("server")
	if err != nil {
		return err
	}
	if _, err := network.Link(here, there, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(near + prefix)}},
		B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(far + prefix)}},
	}); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := startServer(here, self, lo+":"+port); err != nil {
		return err
	}
	if err := startServer(there, self, far+":"+port); err != nil {
		return err
	}
	c := here.Command(context.Background(), self, "client", work,
		fmt.Sprint(o.rounds), fmt.Sprint(o.dials), fmt.Sprint(o.leave))
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	fmt.Printf("\nreproduce: scripts/bench dial -rounds %d -dials %d -leave %d\n", o.rounds, o.dials, o.leave)
	return nil
}

// inside starts this program again as root of a user namespace.
func inside() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Env = append(os.Environ(), "DIALSCOPE_BENCH_INSIDE=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := netns.UserNamespace(c); err != nil {
		return err
	}
	return c.Run()
}

// startServer returns once it listens. The network's Close ends it.
func startServer(h *netns.Host, self, at string) error {
	c := h.Command(context.Background(), self, "serve", at)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listening\n" {
		return fmt.Errorf("server at %s does not listen: %q, %v", at, line, err)
	}
	return nil
}

// build makes the binary as it is shipped and, where there is a compiler, the
// C program.
func build(work string) error {
	binary := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(work, "dialscope"), "./cmd/dialscope")
	binary.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := binary.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(binary.Args, " "), err, out)
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		fmt.Println("no C compiler: the C program is left out (Debian: apt-get install gcc libc6-dev)")
		return nil
	}
	c := exec.Command(cc, "-O2", "-o", filepath.Join(work, "floor"), "internal/bench/testdata/floor.c")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return nil
}
