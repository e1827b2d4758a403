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

// workload is what each contestant sweeps: every address with each port.
type workload struct {
	about    string
	ports    []uint16
	inFlight int
	bits     int
	want     tally
	retries  int  // of what is silent
	huge     bool // only for who keeps many in flight
}

// usual are the workloads that are measured unless others are named.
var usual = []string{"refused", "open", "mixed", "silent", "lossy"}

// workloads are all, by name, for a prefix of so many bits.
func workloads(bits int) map[string]workload {
	n := 1 << (32 - bits)
	return map[string]workload{
		"refused": {"refused", []uint16{sweptShut}, 1000, bits, tally{refused: n}, 0, false},
		"open":    {"open", []uint16{sweptOpen}, 1000, bits, tally{open: n}, 0, false},
		"mixed": {"mixed: of 8 ports 6 refuse, 1 is open, 1 silent", mixedPorts(), 19000, bits + 2,
			tally{open: n / 4, refused: 6 * n / 4, silent: n / 4}, 0, false},
		"silent": {"silent", []uint16{sweptMute}, 19000, bits, tally{silent: n}, 0, false},
		"lossy": {"one packet in a hundred lost: of 8 ports 7 refuse, 1 is open", lossyPorts(), 1000, bits + 3,
			tally{open: n / 8, refused: n / 8 * 7}, 3, false},
		"silent-million": {"silent", mutePorts(), 19000, bits, tally{silent: 16 * n}, 0, true},
	}
}

// tally is how the targets answered.
type tally struct{ open, refused, silent, other int }

func (t tally) String() string {
	return fmt.Sprintf("%d open, %d refused, %d silent, %d other", t.open, t.refused, t.silent, t.other)
}

// sweepTimeout is what each attempt has. Nothing here takes so long but silence.
const sweepTimeout = time.Second

func (w workload) addresses() int { return 1 << (32 - w.bits) }
func (w workload) targets() int   { return w.addresses() * len(w.ports) }

func (w workload) portList() string {
	var words []string
	for _, p := range w.ports {
		words = append(words, fmt.Sprint(p))
	}
	return strings.Join(words, ",")
}

func (w workload) last() string {
	a := netip.MustParseAddr(sweptFirst).As4()
	n := w.addresses() - 1
	return netip.AddrFrom4([4]byte{a[0], a[1], byte(n >> 8), byte(n)}).String()
}

// sweeper is a program that sweeps.
type sweeper struct {
	name     string
	argv     func(w workload) []string
	read     func(out io.Reader) (tally, error)
	skip     func(w workload) bool
	openOnly bool // it tells of nothing else
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
	all := sweepers(work)
	for name := range strings.SplitSeq(args[3], ",") {
		if err := compareSweepers(all, workloads(bits)[name], rounds, work); err != nil {
			return err
		}
	}
	return nil
}

func sweepers(work string) []sweeper {
	milliseconds := fmt.Sprint(sweepTimeout.Milliseconds())
	self, _ := os.Executable()
	many := func(w workload) bool { return w.want.silent > 0 }
	floor := func(how string) sweeper {
		return sweeper{name: "C " + how, read: readCounts, argv: func(w workload) []string {
			return []string{filepath.Join(work, "sweepfloor"), how, sweptFirst, fmt.Sprint(w.targets()), w.portList(), fmt.Sprint(w.inFlight), milliseconds}
		}}
	}
	ours := func(name string, more ...string) sweeper {
		return sweeper{name: "dialscope sweep" + name, read: readNDJSON, argv: func(w workload) []string {
			return append([]string{filepath.Join(work, "dialscope"), "sweep", sweptFirst + "-" + w.last(), "-p", w.portList(), "--json", "--quiet",
				"--rate", "0", "--timeout", sweepTimeout.String(), "--retries", fmt.Sprint(w.retries)}, more...)
		}}
	}
	one := func(name string, more ...string) sweeper { // one thread, as many in flight as the C programs
		s := ours(", 1 thread" + name)
		argv := s.argv
		s.argv = func(w workload) []string {
			return append(append(argv(w), "--threads", "1", "--in-flight", fmt.Sprint(w.inFlight)), more...)
		}
		s.skip = func(w workload) bool { return w.huge }
		return s
	}
	goroutines := func(workers int) sweeper {
		return sweeper{name: fmt.Sprintf("net.Dialer, %d goroutines", workers), read: readCounts,
			skip: func(w workload) bool { return w.huge || many(w) != (workers >= 10000) },
			argv: func(w workload) []string {
				return []string{self, "netdial", sweptFirst, fmt.Sprint(w.targets()), w.portList(), fmt.Sprint(workers), milliseconds}
			}}
	}
	var all []sweeper
	if exists(filepath.Join(work, "sweepfloor")) {
		all = append(all, floor("epoll"), floor("uring"))
	}
	uring := ours(", io_uring", "--engine", "io_uring")
	uring.skip = func(w workload) bool { return !w.huge }
	all = append(all, ours(""), uring, one(""), one(", io_uring", "--engine", "io_uring"), one(", new sockets", "--new-sockets"),
		one(", io_uring, new sockets", "--engine", "io_uring", "--new-sockets"),
		goroutines(100), goroutines(1000), goroutines(10000), goroutines(19000))
	if _, err := exec.LookPath("nmap"); err == nil {
		// Of the silent ones it takes 1.2 ms of its own time for each.
		allSilent := func(w workload) bool { return w.want.silent == w.targets() }
		all = append(all, sweeper{name: "nmap -sT, tuned", read: readGrepable, skip: allSilent, argv: func(w workload) []string {
			return []string{"nmap", "-sT", "-Pn", "-n", "-T5", "--max-retries", fmt.Sprint(w.retries), "--min-rate", "1000000", "--min-parallelism", "1000",
				"--min-hostgroup", "4096", "--initial-rtt-timeout", "1000ms", "--min-rtt-timeout", "1000ms", "--max-rtt-timeout", "1000ms",
				"-p", w.portList(), "-oG", "-", fmt.Sprintf("%s/%d", sweptFirst, w.bits)}
		}})
	} else {
		fmt.Println("nmap is not installed and left out (Debian: apt-get install nmap)")
	}
	if naabu := naabuHere(); naabu != "" {
		// It tells the open ones only.
		all = append(all, sweeper{name: "naabu, connect mode", read: readOpen, openOnly: true, skip: func(w workload) bool { return w.huge },
			argv: func(w workload) []string {
				return []string{naabu, "-host", fmt.Sprintf("%s/%d", sweptFirst, w.bits), "-p", w.portList(), "-scan-type", "c", "-Pn", "-silent",
					"-no-stdin", "-disable-update-check", "-verify=false", "-rate", "1000000", "-c", fmt.Sprint(w.inFlight), "-timeout", milliseconds,
					"-retries", fmt.Sprint(w.retries + 1), "-warm-up-time", "0"}
			}})
	} else {
		fmt.Println("naabu is not installed and left out (it needs cgo and libpcap: with libpcap-dev, in a module that requires v2.3.3,\n" +
			"CGO_ENABLED=1 go build -mod=mod github.com/projectdiscovery/naabu/v2/cmd/naabu; it is found in PATH or in bin)")
	}
	return all
}

// naabuHere looks in bin, too: it is seldom installed.
func naabuHere() string {
	if name, err := filepath.Abs("bin/naabu"); err == nil && exists(name) {
		return name
	}
	name, err := exec.LookPath("naabu")
	if err != nil {
		return ""
	}
	return name
}

// measured is what a contestant showed, a value a round.
type measured struct {
	rate, cpu, memory, flying, kernel spread
	missed, wrong                     int // open targets, and all, over all rounds, that were not found as they are
}

func compareSweepers(all []sweeper, w workload, rounds int, work string) error {
	fmt.Printf("\n%s: %d targets, %v timeout, %d rounds; the C programs keep %d in flight\n", w.about, w.targets(), sweepTimeout, rounds, w.inFlight)
	ms := make([]measured, len(all))
	first := 0
	if w.huge {
		first = 1 // it warms itself up
	}
	for round := first; round <= rounds; round++ {
		for _, who := range order(len(all), round) {
			s := all[who]
			if s.skip != nil && s.skip(w) {
				continue
			}
			took, usage, kernel, got, err := s.run(w, filepath.Join(work, "out"))
			if err != nil {
				return err
			}
			m := &ms[who]
			if s.openOnly {
				got.refused, got.silent = w.want.refused, w.want.silent
			}
			m.missed += max(0, w.want.open-got.open)
			m.wrong += wrong(w.want, got)
			if round > 0 {
				n := float64(w.targets())
				m.rate = append(m.rate, n/took.Seconds())
				m.cpu = append(m.cpu, micros(time.Duration(usage.Utime.Nano()+usage.Stime.Nano()))/n)
				m.memory = append(m.memory, float64(usage.Maxrss)/1024)
				m.flying = append(m.flying, float64(kernel.sockets))
				m.kernel = append(m.kernel, float64(kernel.slab)/float64(max(1, kernel.sockets)))
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\ttargets/s\t: C epoll\tCPU µs each\tmemory MB\tmost in flight\topen missed\twrong\n")
	for i, s := range all {
		m := &ms[i]
		if len(m.rate) == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.0f\t%d\t%d\n", s.name, m.rate.format(0), m.rate.ratio(ms[0].rate).format(2),
			m.cpu.format(1), m.memory.format(0), m.flying.median(), m.missed, m.wrong)
	}
	if err := t.Flush(); err != nil || w.want.silent < w.targets() {
		return err
	}
	fmt.Println("memory for each in flight, octets: of the program, and of the kernel (Slab of /proc/meminfo, so of the whole host)")
	for i, s := range all {
		m := &ms[i]
		if len(m.rate) == 0 {
			continue
		}
		user := make(spread, len(m.memory))
		for k := range user {
			user[k] = m.memory[k] * (1 << 20) / max(1, m.flying[k])
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.name, user.format(0), m.kernel.format(0))
	}
	return t.Flush()
}

// weight is what attempts in flight weigh in the kernel.
type weight struct{ sockets, slab int }

// weigh looks again and again until told to stop, and keeps the moment with the
// most sockets.
func weigh(stop <-chan struct{}) weight {
	var most weight
	before := field("/proc/meminfo", "Slab:", 0) * 1024
	for {
		if n := field("/proc/net/sockstat", "TCP:", 1); n > most.sockets { // "TCP: inuse N ..."
			most = weight{n, field("/proc/meminfo", "Slab:", 0)*1024 - before}
		}
		select {
		case <-stop:
			return most
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// field is word n, a number, after the name that a line of a file begins with.
func field(file, name string, n int) int {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, is := strings.CutPrefix(line, name); is {
			if words := strings.Fields(rest); n < len(words) {
				v, _ := strconv.Atoi(words[n])
				return v
			}
		}
	}
	return 0
}

// wrong counts the targets that are not where they belong.
func wrong(want, got tally) int {
	over := func(w, g int) int { return max(0, w-g) }
	return over(want.open, got.open) + over(want.refused, got.refused) + over(want.silent, got.silent) + max(0,
		got.open+got.refused+got.silent+got.other-want.open-want.refused-want.silent-want.other)
}

// run times one process from its start to its end; what it says is read
// afterwards.
func (s sweeper) run(w workload, out string) (took time.Duration, usage syscall.Rusage, kernel weight, got tally, err error) {
	f, err := os.Create(out)
	if err != nil {
		return 0, usage, kernel, got, err
	}
	defer f.Close()
	argv := s.argv(w)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout = f // nmap warns of its own tuning on the error stream
	stop, weighed := make(chan struct{}), make(chan weight)
	go func() { weighed <- weigh(stop) }()
	began := time.Now()
	err = cmd.Run()
	took = time.Since(began)
	close(stop)
	kernel = <-weighed
	if err != nil {
		return took, usage, kernel, got, fmt.Errorf("%s: %w", s.name, err)
	}
	usage = *cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return took, usage, kernel, got, err
	}
	got, err = s.read(f)
	return took, usage, kernel, got, err
}

// readOpen reads ADDRESS:PORT lines, each of an open port.
func readOpen(out io.Reader) (t tally, err error) {
	for lines := bufio.NewScanner(out); lines.Scan(); err = lines.Err() {
		t.open++
	}
	return t, err
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
