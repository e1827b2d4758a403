package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/dialscope/dialscope"
)

// contestant takes part in a comparison of dials.
type contestant struct {
	name string
	// dial opens one connection within this process. Nil: run is used.
	dial func(ctx context.Context, address string) (net.Conn, error)
	// run makes n dials in a process of its own.
	run func(address string, n int) ([]time.Duration, error)
}

// kept holds the last report, as a caller would.
var kept atomic.Pointer[dialscope.Report]

// The Go contestants, each with the Timeout of its Dialer. Zero is the least
// work that either can have; with a timeout, and that is how programs dial
// (30 s in http.DefaultTransport), net.Dialer adds a timer and a goroutine.

func plain(timeout time.Duration) contestant {
	d := net.Dialer{Timeout: timeout}
	return contestant{name: "net.Dialer.DialContext", dial: func(ctx context.Context, address string) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", address)
	}}
}

func reporting(timeout time.Duration) contestant {
	d := dialscope.Dialer{Timeout: timeout}
	return contestant{name: "dialscope DialReport", dial: func(ctx context.Context, address string) (net.Conn, error) {
		conn, report, err := d.DialReport(ctx, "tcp", address)
		kept.Store(report)
		return conn, err
	}}
}

func dropIn(timeout time.Duration) contestant {
	d := dialscope.Dialer{Timeout: timeout}
	return contestant{name: "dialscope DialContext", dial: func(ctx context.Context, address string) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", address)
	}}
}

// floor is the C program.
func floor(binary string) contestant {
	return contestant{name: "C socket connect poll", run: func(address string, n int) ([]time.Duration, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		out, err := exec.Command(binary, host, port, strconv.Itoa(n)).Output()
		if err != nil {
			return nil, err
		}
		took := make([]time.Duration, 0, n)
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			ns, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				return nil, err
			}
			took = append(took, time.Duration(ns))
		}
		return took, nil
	}}
}

// order gives the contestants' order in a round: another each time, so that
// none always follows the same one, and the same in each run of the bench.
func order(contestants, round int) []int {
	return rand.New(rand.NewPCG(uint64(contestants), uint64(round))).Perm(contestants)
}

// turn makes n dials, one after the other, and returns what each took, sorted.
// The garbage of the one before is collected first, and a tenth more dials than
// are counted bring the runtime from its state into this one's.
func (c contestant) turn(address string, n int, open bool) ([]time.Duration, error) {
	runtime.GC()
	warm := n / 10
	took, err := c.dials(address, warm+n, open)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", c.name, address, err)
	}
	took = took[warm:]
	slices.Sort(took)
	return took, nil
}

func (c contestant) dials(address string, n int, open bool) ([]time.Duration, error) {
	if c.dial == nil {
		return c.run(address, n)
	}
	ctx := context.Background()
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		conn, err := c.dial(ctx, address)
		took[i] = time.Since(began)
		if err := settle(conn, err, open); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// settle closes what a dial gave, leaving no TIME_WAIT, and says whether it is
// what was to come: a connection, or a refusal.
func settle(conn net.Conn, err error, open bool) error {
	switch {
	case open && err != nil:
		return err
	case !open && err == nil:
		return errors.Join(errors.New("connected where nobody listens"), conn.Close())
	case !open:
		return nil
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return conn.Close()
}
