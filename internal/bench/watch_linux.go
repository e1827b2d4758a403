package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// made is what a load says of itself.
type made struct {
	Elapsed, CPU time.Duration
	Made         int
}

// watched is what one run cost the load, and what the watcher saw of it.
type watched struct {
	load           made
	watcherCPU     time.Duration
	begun, ended   uint64
	events, missed uint64
}

// watchBench runs a load of connections alone and beside dialscope watch, in
// turns, in a network namespace of its own.
func watchBench(args []string) error {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	rounds := flags.Int("rounds", 5, "rounds")
	connects := flags.Int("connects", 100_000, "connections in each run")
	rate := flags.Int("rate", 20_000, "connections a second; 0: as fast as it goes")
	loads := flags.Int("loads", 1, "processes that make them, each its share")
	if err := flags.Parse(args); err != nil {
		return err
	}
	h, close, err := oneHost("busy")
	if err != nil {
		return err
	}
	defer close()
	dir, err := os.MkdirTemp("", "bench-watch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	type contestant struct {
		name string
		argv []string
	}
	contestants := []contestant{
		{"alone", nil},
		{"dialscope watch, lines", []string{"bin/dialscope", "watch", "--here", "-o", filepath.Join(dir, "lines")}},
		{"dialscope watch, JSON", []string{"bin/dialscope", "watch", "--here", "--json", "-o", filepath.Join(dir, "json")}},
		{"dialscope watch --source table", []string{"bin/dialscope", "watch", "--source", "table", "--json", "-o", filepath.Join(dir, "table")}},
	}
	if _, err := exec.LookPath("bpftrace"); err == nil {
		for name, script := range map[string]string{"bpftrace, a line a change": bpftraceChanges, "bpftrace, a line a connection": bpftraceLives} {
			contestants = append(contestants, contestant{name, []string{"unshare", "--mount", "sh", "-c", bpftraceStart, "sh", script, "-o", filepath.Join(dir, "bpftrace")}})
		}
		slices.SortFunc(contestants[4:], func(a, b contestant) int { return strings.Compare(b.name, a.name) })
	} else {
		fmt.Println("bpftrace is not installed, and left out")
	}
	all := make([][]watched, len(contestants))
	for round := range *rounds {
		for i := range contestants {
			at := (i + round) % len(contestants)
			w, err := beside(h, contestants[at].argv, *connects, *rate, *loads)
			if err != nil {
				return fmt.Errorf("%s: %w", contestants[at].name, err)
			}
			all[at] = append(all[at], w)
		}
	}
	fmt.Printf("%d connections a run, %d a second wanted, by %d processes, each opened and closed by a RST; medians of %d rounds\n\n", *connects, *rate, *loads, *rounds)
	fmt.Printf("%-32s %12s %12s %10s %14s %12s %10s\n", "", "load's CPU", "reached", "ratio", "watcher's CPU", "seen begun", "lost")
	base := medianOf(all[0], func(w watched) float64 { return float64(w.load.CPU) })
	for i, c := range contestants {
		per := func(f func(watched) float64) float64 { return medianOf(all[i], f) }
		count := per(func(w watched) float64 { return float64(w.load.Made) })
		cpu := per(func(w watched) float64 { return float64(w.load.CPU) })
		fmt.Printf("%-32s %9.2f µs %10.0f/s %10.2f %11.2f µs %12.4f %10.0f\n", c.name, cpu/count/1e3,
			per(func(w watched) float64 { return float64(w.load.Made) / w.load.Elapsed.Seconds() }), cpu/base,
			per(func(w watched) float64 { return float64(w.watcherCPU) })/count/1e3,
			per(func(w watched) float64 { return float64(w.begun) })/count,
			per(func(w watched) float64 { return float64(w.missed) }))
	}
	fmt.Println("\nload's CPU and watcher's CPU: user and system, for each connection. ratio: load's CPU to that alone.")
	fmt.Println("seen begun: attempts that the watcher counted to those made. lost: events that it says it lost.")
	return nil
}

// bpftraceStart runs a script with as large a buffer as watch has, 32 MiB on two
// processors. bpftrace finds tracepoints in tracefs, which is not mounted
// everywhere: here it is, for bpftrace alone.
const bpftraceStart = `[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing || exit
export BPFTRACE_PERF_RB_PAGES=4096 BPFTRACE_MAP_KEYS_MAX=65536
script=$1; shift
exec bpftrace -e "$script" "$@"`

// What bpftrace's own tools ask: each change of state as it comes, as
// tcpstates.bt does, and a line at the end of each connection, as tcplife.bt.
// They use kprobes elsewhere, which this kernel may not have.
const (
	bpftraceChanges = `tracepoint:sock:inet_sock_set_state { printf("%d %d %d %d\n", pid, args->sport, args->oldstate, args->newstate); }`
	bpftraceLives   = `tracepoint:sock:inet_sock_set_state /args->oldstate == 7 && args->newstate == 2/ { @birth[args->skaddr] = nsecs; @pid[args->skaddr] = pid; @comm[args->skaddr] = comm; }
tracepoint:sock:inet_sock_set_state /args->newstate == 7 && @birth[args->skaddr]/ {
	printf("%s %d %s %d %s %d %d life\n", @comm[args->skaddr], @pid[args->skaddr], ntop(args->family, args->saddr), args->sport, ntop(args->family, args->daddr), args->dport, (nsecs - @birth[args->skaddr]) / 1000);
	delete(@birth[args->skaddr]); delete(@pid[args->skaddr]); delete(@comm[args->skaddr]);
}
END { clear(@birth); clear(@pid); clear(@comm); }`
)

func medianOf(all []watched, f func(watched) float64) float64 {
	values := make([]float64, len(all))
	for i, w := range all {
		values[i] = f(w)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// beside runs the load beside a watcher; none where argv is nil.
func beside(h *netns.Host, argv []string, connects, rate, loads int) (w watched, err error) {
	var watcher *netns.Cmd
	if argv != nil {
		watcher = h.Command(context.Background(), argv[0], argv[1:]...)
		watcher.Stderr = os.Stderr
		if err := watcher.Start(); err != nil {
			return w, err
		}
		// Until it listens: those that write a first line then are waited for.
		file := argv[slices.Index(argv, "-o")+1]
		for began := time.Now(); time.Since(began) < 3*time.Second || slices.Contains(argv, bpftraceStart) && time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
			if info, err := os.Stat(file); err == nil && info.Size() > 0 {
				break
			}
		}
		time.Sleep(500 * time.Millisecond)
	}
	self, err := os.Executable()
	if err != nil {
		return w, err
	}
	running := make([]*netns.Cmd, loads)
	outs := make([]bytes.Buffer, loads)
	for i := range running {
		running[i] = h.Command(context.Background(), self, "connects", strconv.Itoa(connects/loads), strconv.Itoa(rate/loads), strconv.Itoa(7001+i))
		running[i].Stdout = &outs[i]
		if err := running[i].Start(); err != nil {
			return w, err
		}
	}
	for i, cmd := range running {
		var one made
		failed := cmd.Wait()
		if failed == nil {
			failed = json.Unmarshal(outs[i].Bytes(), &one)
		}
		if failed != nil && err == nil {
			err = failed
		}
		w.load.Elapsed = max(w.load.Elapsed, one.Elapsed)
		w.load.CPU += one.CPU
		w.load.Made += one.Made
	}
	if watcher == nil {
		return w, err
	}
	time.Sleep(500 * time.Millisecond) // until it has read all
	watcher.Process.Signal(os.Interrupt)
	watcher.Wait()
	usage := watcher.ProcessState
	w.watcherCPU = usage.UserTime() + usage.SystemTime()
	if err != nil {
		return w, err
	}
	file := argv[slices.Index(argv, "-o")+1]
	content, err := os.ReadFile(file)
	if err != nil {
		return w, err
	}
	w.read(content)
	return w, os.Remove(file)
}

// read finds in a watcher's output what it saw.
func (w *watched) read(content []byte) {
	last := content[bytes.LastIndexByte(bytes.TrimRight(content, "\n"), '\n')+1:]
	var sum struct {
		Event  string `json:"event"`
		Begun  uint64 `json:"begun"`
		Ended  uint64 `json:"ended"`
		Events uint64 `json:"events"`
		Lost   uint64 `json:"events_lost"`
		All    uint64 `json:"connections"`
	}
	switch {
	case json.Unmarshal(last, &sum) == nil && sum.Event == "summary":
		w.begun, w.ended, w.events, w.missed = max(sum.Begun, sum.All/2), sum.Ended, sum.Events, sum.Lost
	case bytes.Contains(content, []byte(" begun here")):
		at := bytes.LastIndex(content, []byte(" begun here"))
		from := bytes.LastIndexByte(content[:at], ' ') + 1
		w.begun, _ = strconv.ParseUint(string(content[from:at]), 10, 64)
		if _, rest, is := bytes.Cut(content[at:], []byte("\n\n")); is {
			for line := range strings.Lines(string(rest)) {
				if strings.Contains(line, "were lost") {
					w.missed, _ = strconv.ParseUint(strings.Fields(line)[0], 10, 64)
				}
			}
		}
	default: // bpftrace: "PID PORT 7 2" is the start of an attempt, "Lost 7 events" says so
		w.begun = uint64(max(bytes.Count(content, []byte(" 7 2\n")), bytes.Count(content, []byte(" life\n"))))
		for line := range bytes.Lines(content) {
			if rest, is := bytes.CutPrefix(line, []byte("Lost ")); is {
				number, _, _ := bytes.Cut(rest, []byte(" "))
				n, _ := strconv.ParseUint(string(number), 10, 64)
				w.missed += n
			}
		}
	}
}

// connectsLoad opens connections to itself, accepts them and closes both ends by
// a RST, at most rate a second, and prints what that took.
func connectsLoad(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: connects N RATE PORT")
	}
	total, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	rate, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	to := &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	listener, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(listener)
	if err := syscall.Bind(listener, to); err != nil {
		return err
	}
	if err := syscall.Listen(listener, 128); err != nil {
		return err
	}
	linger := &syscall.Linger{Onoff: 1}
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	began := time.Now()
	for n := range total {
		if rate > 0 && n%20 == 0 {
			if ahead := time.Duration(n)*time.Second/time.Duration(rate) - time.Since(began); ahead > 0 {
				time.Sleep(ahead)
			}
		}
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, linger); err != nil {
			return err
		}
		if err := syscall.Connect(fd, to); err != nil {
			return err
		}
		peer, _, err := syscall.Accept(listener)
		if err != nil {
			return err
		}
		syscall.Close(fd)
		syscall.Close(peer)
	}
	elapsed := time.Since(began)
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	return json.NewEncoder(os.Stdout).Encode(made{elapsed, cpu, total})
}
