package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"
)

// workload is what each contestant sweeps: count addresses with each port.
type workload struct {
	name     string
	ports    string
	inFlight int
	bits     int
	want     tally
}

// tally is how the targets answered.
type tally struct{ open, refused, silent, other int }

func (t tally) String() string {
	return fmt.Sprintf("%d open, %d refused, %d silent, %d other", t.open, t.refused, t.silent, t.other)
}

// sweepTimeout is what each attempt has. Nothing here takes so long but silence.
const sweepTimeout = time.Second

func (w workload) addresses() int { return 1 << (32 - w.bits) }
func (w workload) targets() int   { return w.addresses() * (strings.Count(w.ports, ",") + 1) }

func (w workload) last() string {
	a := netip.MustParseAddr(sweptFirst).As4()
	n := w.addresses() - 1
	return netip.AddrFrom4([4]byte{a[0], a[1], byte(n >> 8), byte(n)}).String()
}

// sweeper is a program that sweeps.
type sweeper struct {
	name string
	argv func(w workload) []string
	read func(out io.Reader) (tally, error)
	skip func(w workload) bool
}

// sweepClient measures from within its namespace.
func sweepClient(args []string) error {
	work := args[0]
	rounds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	bits, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	only := args[3]
	n := 1 << (32 - bits)
	all := sweepers(work)
	for _, w := range []workload{
		{"refused", "7001", 1000, bits, tally{refused: n}},
		{"open", sweptOpen, 1000, bits, tally{open: n}},
		{"mixed: of 8 ports 6 refuse, 1 is open, 1 silent", "7000,7001,7002,7003,7004,7005,7006,7007", 19000, bits + 3, tally{open: n / 8, refused: n / 8 * 6, silent: n / 8}},
		{"silent", sweptMute, 19000, bits, tally{silent: n}},
		{"one packet in a hundred lost: of 8 ports 7 refuse, 1 is open", lossyPorts, 1000, bits + 3, tally{open: n / 8, refused: n / 8 * 7}},
	} {
		if only != "" && !strings.HasPrefix(w.name, only) {
			continue
		}
		if err := compareSweepers(all, w, rounds, work); err != nil {
			return err
		}
	}
	return nil
}

func sweepers(work string) []sweeper {
	milliseconds := fmt.Sprint(sweepTimeout.Milliseconds())
	self, _ := os.Executable()
	floor := func(how string) sweeper {
		return sweeper{name: "C " + how, read: readCounts, argv: func(w workload) []string {
			return []string{filepath.Join(work, "sweepfloor"), how, sweptFirst, fmt.Sprint(w.targets()), w.ports, fmt.Sprint(w.inFlight), milliseconds}
		}}
	}
	ours := func(name string, more ...string) sweeper {
		return sweeper{name: name, read: readNDJSON, argv: func(w workload) []string {
			retries := "1" // of what is silent, as by default; but here all have the same time for silence
			switch {
			case w.want.silent > 0:
				retries = "0"
			case w.ports == lossyPorts:
				retries = "3" // each attempt has time for one SYN only
			}
			return append([]string{filepath.Join(work, "dialscope"), "sweep", sweptFirst + "-" + w.last(), "-p", w.ports, "--json", "--quiet",
				"--rate", "0", "--in-flight", fmt.Sprint(w.inFlight), "--timeout", sweepTimeout.String(), "--retries", retries}, more...)
		}}
	}
	goroutines := func(workers int) sweeper {
		return sweeper{name: fmt.Sprintf("net.Dialer, %d goroutines", workers), read: readCounts,
			skip: func(w workload) bool { return w.want.silent > 0 && workers < 10000 },
			argv: func(w workload) []string {
				return []string{self, "netdial", sweptFirst, fmt.Sprint(w.targets()), w.ports, fmt.Sprint(workers), milliseconds}
			}}
	}
	var all []sweeper
	if exists(filepath.Join(work, "sweepfloor")) {
		all = append(all, floor("epoll"), floor("uring"))
	}
	// More at once than RLIMIT_NOFILE: only where silence is waited for it matters.
	beyond := ours("dialscope sweep, all silent ones at once", "--in-flight", "65536")
	beyond.skip = func(w workload) bool { return w.want.silent < w.targets() }
	all = append(all, beyond)
	all = append(all, ours("dialscope sweep, 1 thread", "--threads", "1"), ours("dialscope sweep, 2 threads", "--threads", "2"),
		ours("dialscope sweep, 1 thread, new sockets", "--threads", "1", "--new-sockets"),
		goroutines(100), goroutines(1000), goroutines(10000))
	if _, err := exec.LookPath("nmap"); err == nil {
		// Where all are silent it takes minutes: 1.2 ms of its own time a target.
		allSilent := func(w workload) bool { return w.want.silent == w.targets() }
		all = append(all, sweeper{name: "nmap -sT, tuned", read: readGrepable, skip: allSilent, argv: func(w workload) []string {
			return []string{"nmap", "-sT", "-Pn", "-n", "-T5", "--max-retries", "0", "--min-rate", "1000000", "--min-parallelism", "1000",
				"--min-hostgroup", "4096", "--initial-rtt-timeout", "1000ms", "--min-rtt-timeout", "1000ms", "--max-rtt-timeout", "1000ms", "-p", w.ports, "-oG", "-", fmt.Sprintf("%s/%d", sweptFirst, w.bits)}
		}})
	} else {
		fmt.Println("nmap is not installed and left out (Debian: apt-get install nmap)")
	}
	return all
}

// measured is what a contestant showed, a value a round.
type measured struct {
	rate, cpu, memory spread
	wrong             int // targets, over all rounds, whose outcome was not the known one
}

func compareSweepers(all []sweeper, w workload, rounds int, work string) error {
	fmt.Printf("\n%s: %d targets, %d in flight, %v timeout, %d rounds\n", w.name, w.targets(), w.inFlight, sweepTimeout, rounds)
	ms := make([]measured, len(all))
	for round := range rounds + 1 {
		for _, who := range order(len(all), round) {
			s := all[who]
			if s.skip != nil && s.skip(w) {
				continue
			}
			took, usage, got, err := s.run(w, filepath.Join(work, "out"))
			if err != nil {
				return err
			}
			ms[who].wrong += wrong(w.want, got)
			if round > 0 {
				n := float64(w.targets())
				ms[who].rate = append(ms[who].rate, n/took.Seconds())
				ms[who].cpu = append(ms[who].cpu, micros(time.Duration(usage.Utime.Nano()+usage.Stime.Nano()))/n)
				ms[who].memory = append(ms[who].memory, float64(usage.Maxrss)/1024)
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\ttargets/s\t: C epoll\tCPU µs each\tmemory MB\twrong\n")
	for i, s := range all {
		if len(ms[i].rate) == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", s.name, ms[i].rate.format(0), ms[i].rate.ratio(ms[0].rate).format(2), ms[i].cpu.format(1), ms[i].memory.format(0), ms[i].wrong)
	}
	return t.Flush()
}

// wrong counts the targets that are not where they belong.
func wrong(want, got tally) int {
	over := func(w, g int) int { return max(0, w-g) }
	return over(want.open, got.open) + over(want.refused, got.refused) + over(want.silent, got.silent) + max(0,
		got.open+got.refused+got.silent+got.other-want.open-want.refused-want.silent-want.other)
}

// run times one process from its start to its end; what it says is read
// afterwards.
func (s sweeper) run(w workload, out string) (took time.Duration, usage syscall.Rusage, got tally, err error) {
	f, err := os.Create(out)
	if err != nil {
		return 0, usage, got, err
	}
	defer f.Close()
	argv := s.argv(w)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout = f // nmap warns of its own tuning on the error stream
	began := time.Now()
	err = cmd.Run()
	took = time.Since(began)
	if err != nil {
		return took, usage, got, fmt.Errorf("%s: %w", s.name, err)
	}
	usage = *cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return took, usage, got, err
	}
	got, err = s.read(f)
	return took, usage, got, err
}

func readCounts(out io.Reader) (t tally, err error) {
	_, err = fmt.Fscan(out, &t.open, &t.refused, &t.silent, &t.other)
	return t, err
}

// readNDJSON holds no more than a line: the size of this process would be
// counted as that of the next contestant, which is forked from it.
func readNDJSON(out io.Reader) (t tally, err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch line := lines.Bytes(); {
		case bytes.Contains(line, []byte(`"outcome":"open"`)):
			t.open++
		case bytes.Contains(line, []byte(`"outcome":"refused"`)):
			t.refused++
		case bytes.Contains(line, []byte(`"outcome":"timeout"`)):
			t.silent++
		default:
			t.other++
		}
	}
	return t, lines.Err()
}

// readGrepable reads nmap's -oG: "Ports: 7000/open/tcp//…, 7001/closed/…".
func readGrepable(out io.Reader) (t tally, err error) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		_, ports, ok := strings.Cut(lines.Text(), "Ports: ")
		if !ok {
			continue
		}
		t.open += strings.Count(ports, "/open/")
		t.refused += strings.Count(ports, "/closed/")
		t.silent += strings.Count(ports, "/filtered/")
		// Ports that are all alike beyond 25: "Ignored State: closed (1000)".
		if _, rest, more := strings.Cut(ports, "Ignored State: "); more {
			var state string
			var n int
			if _, err := fmt.Sscanf(rest, "%s (%d)", &state, &n); err == nil && state == "closed" {
				t.refused += n
			}
		}
	}
	return t, lines.Err()
}

// netDial is what a Go program does without dialscope: FIRST COUNT PORTS
// WORKERS TIMEOUT_MS.
func netDial(args []string) error {
	if len(args) != 5 {
		return errors.New("netdial takes five arguments")
	}
	first := netip.MustParseAddr(args[0]).As4()
	var n, workers, ms int
	for i, to := range map[int]*int{1: &n, 3: &workers, 4: &ms} {
		v, err := strconv.Atoi(args[i])
		if err != nil {
			return err
		}
		*to = v
	}
	ports := strings.Split(args[2], ",")
	d := net.Dialer{Timeout: time.Duration(ms) * time.Millisecond}
	work := make(chan int, workers)
	var mu sync.Mutex
	var total tally
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			var t tally
			for i := range work {
				host := i / len(ports)
				a := netip.AddrFrom4([4]byte{first[0], first[1], byte(host >> 8), byte(host)})
				conn, err := d.DialContext(context.Background(), "tcp", net.JoinHostPort(a.String(), ports[i%len(ports)]))
				var timeout net.Error
				switch {
				case err == nil:
					t.open++
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				case errors.Is(err, syscall.ECONNREFUSED):
					t.refused++
				case errors.As(err, &timeout) && timeout.Timeout():
					t.silent++
				default:
					t.other++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total.open += t.open
			total.refused += t.refused
			total.silent += t.silent
			total.other += t.other
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	running.Wait()
	_, err := fmt.Println(total.open, total.refused, total.silent, total.other)
	return err
}
