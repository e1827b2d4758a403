package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// socketsBench lists the sockets of a network namespace that has many, with
// dialscope sockets, ss and netstat in turns.
func socketsBench(args []string) error {
	flags := flag.NewFlagSet("sockets", flag.ContinueOnError)
	rounds := flags.Int("rounds", 9, "rounds")
	connections := flags.Int("connections", 9_900, "connections, of two sockets each; one process holds them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h, close, err := oneHost("full")
	if err != nil {
		return err
	}
	defer close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	holder := h.Command(context.Background(), self, "holdsockets", strconv.Itoa(*connections))
	holder.Stderr = os.Stderr
	hold, err := holder.StdinPipe()
	if err != nil {
		return err
	}
	ready, err := holder.StdoutPipe()
	if err != nil {
		return err
	}
	if err := holder.Start(); err != nil {
		return err
	}
	defer func() { hold.Close(); holder.Wait() }()
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		return fmt.Errorf("the connections could not be opened: %w", err)
	}
	type contestant struct {
		name string
		argv []string
	}
	contestants := []contestant{
		{"ss -tan", []string{"ss", "-tan"}},
		{"ss -tanp: with processes", []string{"ss", "-tanp"}},
		{"ss -tanpoi: and timers, TCP_INFO", []string{"ss", "-tanpoi"}},
		{"netstat -tanp", []string{"netstat", "-tanp"}},
		{"dialscope sockets --network tcp", []string{"bin/dialscope", "sockets", "--network", "tcp"}},
		{"... --no-processes", []string{"bin/dialscope", "sockets", "--network", "tcp", "--no-processes"}},
		{"... --info", []string{"bin/dialscope", "sockets", "--network", "tcp", "--info"}},
		{"... --json", []string{"bin/dialscope", "sockets", "--network", "tcp", "--json"}},
	}
	contestants = slices.DeleteFunc(contestants, func(c contestant) bool {
		_, err := exec.LookPath(c.argv[0])
		if err != nil {
			fmt.Println(c.argv[0], "is not installed, and left out")
		}
		return err != nil
	})
	took, cpu, lines := make([]spread, len(contestants)), make([]spread, len(contestants)), make([]int, len(contestants))
	for round := range *rounds + 1 {
		for i := range contestants {
			at := (i + round) % len(contestants)
			cmd := h.Command(context.Background(), contestants[at].argv[0], contestants[at].argv[1:]...)
			var out bytes.Buffer
			cmd.Stdout = &out
			began := time.Now()
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", contestants[at].name, err)
			}
			elapsed := time.Since(began)
			if round == 0 {
				continue // it fills the caches
			}
			usage := cmd.ProcessState
			took[at] = append(took[at], float64(elapsed)/1e6)
			cpu[at] = append(cpu[at], float64(usage.UserTime()+usage.SystemTime())/1e6)
			lines[at] = max(bytes.Count(out.Bytes(), []byte("7011")), lines[at])
		}
	}
	fmt.Printf("%d sockets, medians of %d rounds (least–most)\n\n", 2**connections+1, *rounds)
	fmt.Printf("%-34s %26s %26s %8s %8s\n", "", "elapsed, ms", "CPU, ms", "ratio", "ends")
	base := slices.IndexFunc(contestants, func(c contestant) bool { return len(c.argv) > 1 && c.argv[1] == "-tanp" })
	for i, c := range contestants {
		ratio := "–"
		if base >= 0 {
			ratio = cpu[i].ratio(cpu[base]).format(2)
			if at := bytes.IndexByte([]byte(ratio), ' '); at > 0 {
				ratio = ratio[:at]
			}
		}
		fmt.Printf("%-34s %26s %26s %8s %8d\n", c.name, took[i].format(1), cpu[i].format(1), ratio, lines[i])
	}
	fmt.Println("\nratio: CPU to that of the first with processes. ends: how often the listener's port stands in the answer.")
	return nil
}

// holdSockets opens connections to itself and holds both ends until its standard
// input ends.
func holdSockets(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: holdsockets N")
	}
	total, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	to := &syscall.SockaddrInet4{Port: 7011, Addr: [4]byte{127, 0, 0, 1}}
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(listener, to); err != nil {
		return err
	}
	if err := syscall.Listen(listener, 128); err != nil {
		return err
	}
	for range total {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := syscall.Connect(fd, to); err != nil {
			return err
		}
		if _, _, err := syscall.Accept(listener); err != nil {
			return err
		}
	}
	os.Stdout.Write([]byte{'\n'})
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
