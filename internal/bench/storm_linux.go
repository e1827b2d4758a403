package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// stormOptions are how hard dialscope listen is tried.
type stormOptions struct {
	connections int // short ones
	resets      int // of those
	rounds      int
	batch       int // connections of a server in a round
	held        int // at once, beyond the server's descriptors
}

func parseStorm(args []string) (stormOptions, error) {
	o := stormOptions{}
	fs := flag.NewFlagSet("scripts/bench listen", flag.ContinueOnError)
	fs.IntVar(&o.connections, "connections", 1_000_000, "short connections")
	fs.IntVar(&o.resets, "resets", 300_000, "how many of them the client resets")
	fs.IntVar(&o.rounds, "rounds", 5, "rounds of the comparison")
	fs.IntVar(&o.batch, "batch", 50_000, "connections to each server in a round")
	fs.IntVar(&o.held, "held", 5_000, "connections held open toward a server of 1024 descriptors")
	quick := fs.Bool("quick", false, "a twentieth of it all: does it run?")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o = stormOptions{o.connections / 20, o.resets / 20, 2, o.batch / 20, o.held / 2}
	}
	if o.connections < 1 || o.resets < 0 || o.resets > o.connections || o.rounds < 1 || o.batch < 1 || o.held < 1 || fs.NArg() > 0 {
		return o, errors.New("the numbers are above 0, and there is nothing else to say")
	}
	return o, nil
}

// storm tries dialscope listen in a network of its own, where 127.0.0.0/8 has
// source addresses enough: TIME_WAIT keeps each port of one address for a minute.
func storm(args []string) error {
	o, err := parseStorm(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	h, close, err := oneHost("storm")
	if err != nil {
		return err
	}
	defer close()
	s := &stormed{host: h, o: o}
	if s.self, err = os.Executable(); err != nil {
		return err
	}
	for _, part := range []func() error{s.compare, s.million, s.exhaust} {
		if err := part(); err != nil {
			return err
		}
	}
	fmt.Printf("\nreproduce: scripts/bench listen -connections %d -resets %d -rounds %d -batch %d -held %d\n", o.connections, o.resets, o.rounds, o.batch, o.held)
	return nil
}

type stormed struct {
	host *netns.Host
	self string
	o    stormOptions
}

// stormServer is a server under test.
type stormServer struct {
	*netns.Cmd
	host    *netns.Host
	out     *bufio.Reader
	address string
	resting int // sockets without a connection
}

// start starts a server that prints its address first.
func (s *stormed) start(nofile uint64, command ...string) (*stormServer, error) {
	if nofile > 0 {
		command = append([]string{s.self, "limited", strconv.FormatUint(nofile, 10)}, command...)
	}
	v := &stormServer{Cmd: s.host.Command(context.Background(), command[0], command[1:]...), host: s.host}
	v.Stderr = os.Stderr
	pipe, err := v.StdoutPipe()
	if err != nil {
		return nil, err
	}
	v.out = bufio.NewReader(pipe)
	if err := v.Start(); err != nil {
		return nil, err
	}
	line, err := v.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	i := strings.Index(line, "127.0.0.1:")
	if i < 0 {
		return nil, fmt.Errorf("no address in %q", line)
	}
	v.address = strings.TrimRight(line[i:], "\"}\n")
	if j := strings.IndexByte(v.address, '"'); j >= 0 {
		v.address = v.address[:j]
	}
	// What a program opens for its first connection and keeps is no leak.
	if _, err := s.clients(v.address, warm, 0, 255); err != nil {
		return nil, err
	}
	v.resting = 1 << 20
	if err := v.settle(); err != nil {
		return nil, err
	}
	v.resting, err = v.sockets()
	return v, err
}

// warm is how many connections each server has had before it is looked at.
const warm = 50

// limited runs a command with a limit of descriptors.
func limited(args []string) error {
	n, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return err
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// sockets is how many the server has open. Other descriptors are the runtime's,
// which makes its poller when it first needs one.
func (v *stormServer) sockets() (n int, err error) {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", v.Process.Pid))
	for _, name := range names {
		if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n, err
}

// processor is the processor time that the server has used.
func (v *stormServer) processor() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// queued is how many connections wait to be accepted (proc(5), net/tcp: the
// receive queue of a listening socket).
func (v *stormServer) queued() (n int, err error) {
	err = v.host.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/tcp")
		if err != nil {
			return err
		}
		defer f.Close()
		in := bufio.NewScanner(f)
		in.Scan() // the heading
		for in.Scan() {
			fields := strings.Fields(in.Text())
			if len(fields) < 5 || fields[3] != "0A" {
				break // listening sockets stand first
			}
			_, queue, _ := strings.Cut(fields[4], ":")
			waiting, err := strconv.ParseInt(queue, 16, 32)
			if err != nil {
				return err
			}
			n += int(waiting)
		}
		return in.Err()
	})
	return n, err
}

// settle waits until the server has nothing left to do.
func (v *stormServer) settle() error {
	calm := 0
	for end := time.Now().Add(30 * time.Second); calm < 3; time.Sleep(20 * time.Millisecond) {
		waiting, err := v.queued()
		if err != nil {
			return err
		}
		open, err := v.sockets()
		if err != nil {
			return err
		}
		if calm++; waiting > 0 || open > v.resting {
			calm = 0
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d connections wait and %d sockets are open, %d at rest", waiting, open, v.resting)
		}
	}
	return nil
}

// stormSum is the summary of dialscope listen, as far as it is looked at.
type stormSum struct {
	Accepted, Ended, Open, Gone, Paused uint64
	MostOpen                            uint64 `json:"most_open"`
	Ends                                []struct {
		Cause string
		Count uint64
	}
}

func (v *stormServer) end() (sum stormSum, err error) {
	if err := v.Process.Signal(os.Interrupt); err != nil {
		return sum, err
	}
	last := ""
	for {
		line, err := v.out.ReadString('\n')
		if strings.Contains(line, `"event":"summary"`) {
			last = line
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return sum, err
		}
	}
	err = v.Wait()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		err = nil // 130: interrupted
	}
	if last == "" {
		return sum, err
	}
	return sum, errors.Join(err, json.Unmarshal([]byte(last), &sum))
}

// stormClient is what a client did.
type stormClient struct {
	Closed, Reset, Failed int
	Took                  time.Duration
}

// clients make n short connections, of which so many are reset.
func (s *stormed) clients(address string, n, resets, turn int) (c stormClient, err error) {
	cmd := s.host.Command(context.Background(), s.self, "stormclient", address, strconv.Itoa(n), strconv.Itoa(resets), strconv.Itoa(turn))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(out, &c)
}

const listenerBinary = "bin/dialscope"

func (s *stormed) dialscope(nofile uint64) (*stormServer, error) {
	return s.start(nofile, listenerBinary, "listen", "127.0.0.1:0", "--json", "--quiet")
}

// compare sets dialscope listen beside a goroutine for each connection.
func (s *stormed) compare() error {
	fmt.Printf("short connections, loopback, a client of %d threads: %d rounds of %d\n", runtime.NumCPU(), s.o.rounds, s.o.batch)
	names := []string{"package net, a goroutine each", "dialscope listen", "dialscope listen, every event written"}
	rate, cost := make([]spread, len(names)), make([]spread, len(names))
	for round := range s.o.rounds + 1 {
		for _, who := range order(len(names), round) {
			var v *stormServer
			var err error
			switch who {
			case 0:
				v, err = s.start(0, s.self, "goserve")
			case 1:
				v, err = s.dialscope(0)
			default:
				v, err = s.start(0, listenerBinary, "listen", "127.0.0.1:0", "--json")
				if err == nil {
					rest := v.out
					pipe, w := io.Pipe()
					v.out = bufio.NewReader(pipe)
					go func() { // a reader that keeps up, and keeps the last line
						in, last := bufio.NewReaderSize(rest, 1<<20), ""
						for {
							line, err := in.ReadString('\n')
							if line != "" {
								last = line
							}
							if err != nil {
								io.WriteString(w, last)
								w.Close()
								return
							}
						}
					}()
				}
			}
			if err != nil {
				return err
			}
			before, err := v.processor()
			if err != nil {
				return err
			}
			c, err := s.clients(v.address, s.o.batch, 0, round)
			if err != nil {
				return err
			}
			if err := v.settle(); err != nil {
				return err
			}
			after, err := v.processor()
			if err != nil {
				return err
			}
			if _, err := v.end(); err != nil {
				return err
			}
			if round > 0 {
				rate[who] = append(rate[who], float64(c.Closed)/c.Took.Seconds())
				cost[who] = append(cost[who], micros(after-before)/float64(c.Closed))
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\tconnections a second\tratio\tserver's processor time, µs each\tratio\n")
	for i, name := range names {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, rate[i].format(0), rate[i].ratio(rate[0]).format(2), cost[i].format(1), cost[i].ratio(cost[0]).format(2))
	}
	return t.Flush()
}

// million is the count: what the clients did against what the server has seen.
func (s *stormed) million() error {
	fmt.Printf("\n%d short connections, %d of them reset by the client\n", s.o.connections, s.o.resets)
	v, err := s.dialscope(0)
	if err != nil {
		return err
	}
	overflows, err := s.counters("ListenOverflows", "ListenDrops")
	if err != nil {
		return err
	}
	c, err := s.clients(v.address, s.o.connections, s.o.resets, 0)
	if err != nil {
		return err
	}
	if err := v.settle(); err != nil {
		return err
	}
	open, err := v.sockets()
	if err != nil {
		return err
	}
	now, err := s.counters("ListenOverflows", "ListenDrops")
	if err != nil {
		return err
	}
	sum, err := v.end()
	if err != nil {
		return err
	}
	fmt.Printf("client   %d closed, %d reset, %d failed, %.0f a second; and %d before\n", c.Closed, c.Reset, c.Failed, float64(c.Closed+c.Reset)/c.Took.Seconds(), warm)
	fmt.Printf("server   %d accepted, %d ended, %d gone before, at most %d at once\n", sum.Accepted, sum.Ended, sum.Gone, sum.MostOpen)
	for _, e := range sum.Ends {
		fmt.Printf("         %d %s\n", e.Count, e.Cause)
	}
	fmt.Printf("kernel   ListenOverflows +%d, ListenDrops +%d\n", now[0]-overflows[0], now[1]-overflows[1])
	c.Closed += warm
	verdict("none lost from the count", int(sum.Accepted+sum.Gone) == c.Closed+c.Reset && sum.Ended == sum.Accepted)
	verdict("each end seen as what it was", sum.count("peer-closed") == uint64(c.Closed) && sum.count("peer-reset")+sum.Gone == uint64(c.Reset))
	verdict(fmt.Sprintf("no socket left: %d at rest, %d afterwards", v.resting, open), open == v.resting)
	return nil
}

func (sum *stormSum) count(cause string) (n uint64) {
	for _, e := range sum.Ends {
		if e.Cause == cause {
			n += e.Count
		}
	}
	return n
}

func verdict(what string, holds bool) {
	word := "holds"
	if !holds {
		word = "MISSED"
	}
	fmt.Printf("goal: %s: %s\n", what, word)
}

// counters are values of TcpExt in the host.
func (s *stormed) counters(names ...string) (values []int64, err error) {
	err = s.host.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/netstat")
		if err != nil {
			return err
		}
		lines := strings.Split(string(b), "\n")
		keys, figures := strings.Fields(lines[0]), strings.Fields(lines[1])
		for _, name := range names {
			i := slices.Index(keys, name)
			if i < 0 {
				return fmt.Errorf("no counter %s", name)
			}
			n, err := strconv.ParseInt(figures[i], 10, 64)
			if err != nil {
				return err
			}
			values = append(values, n)
		}
		return nil
	})
	return values, err
}

// exhaust holds more connections than the server has descriptors.
func (s *stormed) exhaust() error {
	const most = 1024
	fmt.Printf("\n%d connections held open toward a server of %d descriptors\n", s.o.held, most)
	v, err := s.dialscope(most)
	if err != nil {
		return err
	}
	hold := s.host.Command(context.Background(), s.self, "stormhold", v.address, strconv.Itoa(s.o.held))
	hold.Stderr = os.Stderr
	in, err := hold.StdinPipe()
	if err != nil {
		return err
	}
	pipe, err := hold.StdoutPipe()
	if err != nil {
		return err
	}
	if err := hold.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(pipe).ReadString('\n'); err != nil {
		return err
	}
	before, err := v.processor()
	if err != nil {
		return err
	}
	open, err := v.sockets()
	if err != nil {
		return err
	}
	waiting, err := v.queued()
	if err != nil {
		return err
	}
	const watched = 2 * time.Second
	time.Sleep(watched)
	after, err := v.processor()
	if err != nil {
		return err
	}
	in.Close() // the client closes all
	if err := hold.Wait(); err != nil {
		return err
	}
	if err := v.settle(); err != nil {
		return err
	}
	rest, err := v.sockets()
	if err != nil {
		return err
	}
	sum, err := v.end()
	if err != nil {
		return err
	}
	fmt.Printf("full     %d sockets open, %d connections wait in the kernel; processor time in %v: %v\n", open, waiting, watched, after-before)
	fmt.Printf("server   %d accepted, %d ended, at most %d at once, paused %d times\n", sum.Accepted, sum.Ended, sum.MostOpen, sum.Paused)
	verdict("it does not spin: at most 2 % of a processor", after-before <= watched/50)
	verdict("all are served in the end", int(sum.Accepted) == s.o.held+warm && sum.Ended == sum.Accepted)
	verdict(fmt.Sprintf("no socket left: %d at rest, %d afterwards", v.resting, rest), rest == v.resting)
	return nil
}

// goServe is what it is compared with: package net and a goroutine for each
// connection.
func goServe([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			io.Copy(io.Discard, conn)
			conn.Close()
		}()
	}
}
