package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// client measures everything from within its namespace and prints it.
func client(args []string) error {
	work := args[0]
	var o options
	for i, to := range []*int{&o.rounds, &o.dials, &o.leave} {
		n, err := strconv.Atoi(args[1+i])
		if err != nil {
			return err
		}
		*to = n
	}
	const timeout = 30 * time.Second
	zero := []contestant{plain(0), reporting(0), dropIn(0)}
	timed := []contestant{plain(timeout), reporting(timeout), dropIn(timeout)}
	var c []contestant
	if binary := filepath.Join(work, "floor"); exists(binary) {
		c = append(c, floor(binary))
	}
	serving := func() error {
		here, stop, err := listenHere()
		if err != nil {
			return err
		}
		return errors.Join(alone("open, loopback, Timeout 30 s, this program listens too", timed, here, o, true), stop())
	}
	for _, part := range []func() error{
		func() error {
			return alone("open, loopback, Timeout 30 s", slices.Concat(timed, c), lo+":"+port, o, true)
		},
		func() error {
			return alone("open, across a veth, Timeout 30 s", slices.Concat(timed, c), far+":"+port, o, true)
		},
		func() error { return alone("open, loopback, no Timeout", slices.Concat(zero, c), lo+":"+port, o, true) },
		serving,
		func() error { return alone("refused, loopback, Timeout 30 s", timed, lo+":"+shut, o, false) },
		func() error { return together("open, loopback, Timeout 30 s", timed, lo+":"+port, o) },
		func() error { return together("open, across a veth, Timeout 30 s", timed, far+":"+port, o) },
		func() error { return leftBehind(o.leave) },
		func() error { return startToVerdict(filepath.Join(work, "dialscope"), o.rounds) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, os.ErrNotExist)
}

// goal prints whether a figure holds what the project asks of it.
func goal(what string, got, limit float64) {
	word := "holds"
	if got > limit {
		word = "MISSED"
	}
	fmt.Printf("goal: %s, at most %.2f: %.2f, %s\n", what, limit, got, word)
}
