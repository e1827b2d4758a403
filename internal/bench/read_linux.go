package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// reader is a program that reads captures.
type reader struct {
	name    string
	program string
	args    []string // before the file's name
	few     bool     // it is slow: it gets the small capture only
}

// reading is one run of a reader.
type reading struct {
	wall, cpu time.Duration
	peak      int64 // resident memory, octets
}

// read compares readers on captures that it makes: packets a second and peak
// memory, interleaved, the median of the rounds.
func read(args []string) error {
	flags := flag.NewFlagSet("read", flag.ContinueOnError)
	packets := flags.Int("packets", 2_000_000, "packets of the large capture")
	small := flags.Int("small", 100_000, "packets of the small one, which slow readers get")
	rounds := flags.Int("rounds", 5, "rounds")
	flood := flags.Int("flood", 10_000_000, "connections of one packet each, through a pipe, to see what bounds memory; 0: none")
	binary := flags.String("dialscope", "bin/dialscope", "the program")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dialscope-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	contestants := []reader{
		{"dialscope read --summary", *binary, []string{"read", "--summary"}, false},
		{"dialscope read", *binary, []string{"read"}, false},
		{"dialscope read --json", *binary, []string{"read", "--json"}, false},
		{"tcpdump -w /dev/null", "tcpdump", []string{"-w", "/dev/null", "-r"}, false},
		{"tcpdump -nn", "tcpdump", []string{"-nnr"}, true},
		{"tshark -q -z conv,tcp", "tshark", []string{"-nq", "-z", "conv,tcp", "-r"}, true},
		{"tcptrace", "tcptrace", []string{"-n"}, true},
	}
	contestants = slices.DeleteFunc(contestants, func(c reader) bool {
		_, err := exec.LookPath(c.program)
		if err != nil {
			fmt.Printf("left out, not installed: %s\n", c.name)
		}
		return err != nil
	})
	for _, c := range []struct {
		packets int
		gap     time.Duration
		all     bool
	}{
		{*small, 3 * time.Microsecond, true},
		{*packets, 3 * time.Microsecond, false}, // seconds: no connection is over for 2 MSL before the end
		{*packets, time.Millisecond, false},     // an hour: memory is that of the connections open at a time
		{2 * *packets, time.Millisecond, false}, // two hours: it is the same
	} {
		name := filepath.Join(dir, "capture.pcap")
		connections, err := writeCapture(name, c.packets, c.gap)
		if err != nil {
			return err
		}
		fmt.Printf("\n%d packets, %d connections, in %v of capture\n", c.packets, connections, (time.Duration(c.packets) * c.gap).Round(time.Millisecond))
		if err := compare(contestants, name, c.packets, *rounds, c.all); err != nil {
			return err
		}
	}
	if *flood > 0 {
		return readFlood(*binary, *flood)
	}
	return nil
}

// readFlood pipes so many SYNs, each of another connection, through the reader.
func readFlood(program string, connections int) error {
	cmd := exec.Command(program, "read", "--json", "--summary", "-")
	var told bytes.Buffer
	cmd.Stdout = &told
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	w := &captureWriter{out: bufio.NewWriterSize(in, 1<<20), at: time.Unix(1700000000, 0), gap: time.Microsecond}
	w.header()
	for n := range connections {
		client := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		t := &talk{cseq: uint32(n), client: netip.AddrPortFrom(client, uint16(1024+n>>24)), server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 443)}
		t.next(w)
	}
	flushed := w.out.Flush()
	if err := errors.Join(flushed, in.Close(), cmd.Wait()); err != nil {
		return err
	}
	r := reading{wall: time.Since(began)}
	if usage, is := cmd.ProcessState.SysUsage().(*syscall.Rusage); is {
		r.peak = usage.Maxrss << 10
	}
	var sum struct {
		Connections uint64 `json:"connections"`
		GivenUp     uint64 `json:"given_up"`
		Most        uint64 `json:"max_connections"`
	}
	if err := json.Unmarshal(told.Bytes(), &sum); err != nil {
		return err
	}
	held := min(sum.Most, sum.Connections)
	fmt.Printf("\n%d connections of one packet, through a pipe: %.2f M packets a second, the generator's time included; peak %d MB, %d octets for each of the %d followed at once; read says that it gave up %d of %d\n",
		connections, float64(connections)/r.wall.Seconds()/1e6, r.peak>>20, uint64(r.peak)/max(held, 1), held, sum.GivenUp, sum.Connections)
	if sum.Connections != uint64(connections) || sum.GivenUp != sum.Connections-held {
		return fmt.Errorf("read counted %d connections and gave up %d: %d were made, and %d are the most", sum.Connections, sum.GivenUp, connections, sum.Most)
	}
	return nil
}

func compare(contestants []reader, file string, packets, rounds int, small bool) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Printf("%d MB; %d rounds, interleaved; GOMAXPROCS=1; %s\n", info.Size()>>20, rounds, runtime.Version())
	runs := make([][]reading, len(contestants))
	for round := range rounds {
		for _, i := range order(len(contestants), round) {
			if contestants[i].few && !small {
				continue
			}
			one, err := contestants[i].run(file)
			if err != nil {
				return err
			}
			runs[i] = append(runs[i], one)
		}
	}
	fmt.Printf("%-26s %12s %20s %10s %10s\n", "", "packets/s", "smallest–largest", "CPU s", "peak MB")
	for i, c := range contestants {
		if len(runs[i]) == 0 {
			continue
		}
		slices.SortFunc(runs[i], func(a, b reading) int { return int(a.wall - b.wall) })
		rate := func(r reading) float64 { return float64(packets) / r.wall.Seconds() / 1e6 }
		m := runs[i][len(runs[i])/2]
		fmt.Printf("%-26s %10.2f M %9.2f–%.2f M %10.2f %10d\n", c.name, rate(m), rate(runs[i][len(runs[i])-1]), rate(runs[i][0]), m.cpu.Seconds(), m.peak>>20)
	}
	return nil
}

// run reads the file once, with one processor where the program is Go.
func (c reader) run(file string) (reading, error) {
	cmd := exec.Command(c.program, append(slices.Clone(c.args), file)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return reading{}, fmt.Errorf("%s: %w", c.name, err)
	}
	r := reading{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	usage, is := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !is {
		return r, errors.New("no resource usage of the child")
	}
	r.peak = usage.Maxrss << 10
	return r, nil
}
