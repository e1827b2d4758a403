package main

import (
	"bufio"
	"context"
	"errors"
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

// stage is two hosts across a veth pair, and what runs there.
type stage struct {
	here, there *netns.Host
	work        string // a directory with the binaries; it is gone afterwards
	self        string // this program
}

// onStage builds the binary and the C program named, and the network, and hands
// them to measure. Without the rights for that it starts this program again as
// root of a user namespace.
func onStage(c string, measure func(*stage) error) error {
	if netns.Supported() != nil && os.Getenv("DIALSCOPE_BENCH_INSIDE") == "" {
		return inside()
	}
	work, err := os.MkdirTemp("", "dialscope-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := build(work, c); err != nil {
		return err
	}
	printMachine(os.Stdout, work)
	network, err := netns.New()
	if err != nil {
		return err
	}
	defer network.Close()
	s := &stage{work: work}
	if s.self, err = os.Executable(); err != nil {
		return err
	}
	if s.here, err = network.Host("client"); err != nil {
		return err
	}
	if s.there, err = network.Host("server"); err != nil {
		return err
	}
	if _, err := network.Link(s.here, s.there, netns.LinkOptions{
		A: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(near + prefix)}},
		B: netns.End{Addrs: []netip.Prefix{netip.MustParsePrefix(far + prefix)}},
	}); err != nil {
		return err
	}
	return measure(s)
}

// oneHost is a host without a network but its loopback; close takes it away.
func oneHost(name string) (h *netns.Host, close func() error, err error) {
	n, err := netns.New()
	if err != nil {
		return nil, nil, err
	}
	if h, err = n.Host(name); err != nil {
		return nil, nil, errors.Join(err, n.Close())
	}
	return h, n.Close, nil
}

// client runs this program's command in the client's namespace to its end.
func (s *stage) client(args ...any) error {
	var words []string
	for _, a := range args {
		words = append(words, fmt.Sprint(a))
	}
	c := s.here.Command(context.Background(), s.self, words...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	return nil
}

// serve starts who accepts at an address, and returns once it listens. The
// network's Close ends it.
func (s *stage) serve(h *netns.Host, at string) error {
	c := h.Command(context.Background(), s.self, "serve", at)
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

// build makes the binary as it is shipped and, where there is a compiler, the
// C program of testdata.
func build(work, program string) error {
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
	c := exec.Command(cc, "-O2", "-o", filepath.Join(work, program), "internal/bench/testdata/"+program+".c")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return nil
}
