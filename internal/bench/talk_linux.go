package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// talkOptions are what is moved through dialscope talk and its peers.
type talkOptions struct {
	size    octets // in each direction
	rounds  int
	dir     string // where the binaries are
	only    []string
	timeout time.Duration // of one run
}

func parseTalk(args []string) (talkOptions, error) {
	o := talkOptions{size: 1 << 30, timeout: 5 * time.Minute}
	fs := flag.NewFlagSet("scripts/bench talk", flag.ContinueOnError)
	fs.Var(&o.size, "size", "octets in each direction: 1GiB, 64MiB, 1000")
	fs.IntVar(&o.rounds, "rounds", 7, "rounds; everyone has a turn in each")
	fs.StringVar(&o.dir, "bin", "bin", "where dialscope's binary is")
	quick := fs.Bool("quick", false, "16 MiB and 2 rounds: does it run?")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.size, o.rounds = 16<<20, 2
	}
	o.only = fs.Args()
	for _, name := range o.only {
		if !slices.ContainsFunc(talkWays, func(w talkWay) bool { return w.name == name }) {
			return o, fmt.Errorf("no way to talk %q: there are sending, receiving and both", name)
		}
	}
	if o.size < 1 || o.rounds < 1 {
		return o, errors.New("the size and the rounds are above 0")
	}
	return o, nil
}

// talkWay is a direction in which octets go.
type talkWay struct {
	name             string
	about            string
	sending, getting bool // from here, to here
}

var talkWays = []talkWay{
	{"sending", "PROGRAM < pipe, the peer reads", true, false},
	{"receiving", "PROGRAM > pipe, the peer writes, input at its end", false, true},
	{"both", "PROGRAM < pipe > pipe, the peer reads and writes at once", true, true},
}

// talker is a program that joins its input and output to a connection.
type talker struct {
	name string
	argv func(w talkWay, host, port string) []string
}

// talkers are those that are installed, dialscope first.
func talkers(o talkOptions) (all []talker, absent []string) {
	all = []talker{{"dialscope talk", func(_ talkWay, host, port string) []string {
		return []string{filepath.Join(o.dir, "dialscope"), "talk", "-q", net.JoinHostPort(host, port)}
	}}}
	add := func(program, name string, argv func(path string, w talkWay, host, port string) []string) {
		path, err := exec.LookPath(program)
		if err != nil {
			absent = append(absent, name)
			return
		}
		all = append(all, talker{name, func(w talkWay, host, port string) []string { return argv(path, w, host, port) }})
	}
	nc := "nc"
	if _, err := exec.LookPath("nc.openbsd"); err == nil {
		nc = "nc.openbsd" // nc may be another one's
	}
	add(nc, "nc (netcat-openbsd)", func(path string, _ talkWay, host, port string) []string {
		return []string{path, "-N", host, port}
	})
	add("ncat", "ncat", func(path string, _ talkWay, host, port string) []string { return []string{path, host, port} })
	// One way only, and its buffer of 8 KiB or a larger one: what a user who knows it writes.
	sided := func(path string, w talkWay, options, host, port string) []string {
		argv := append([]string{path}, strings.Fields(options)...)
		to := "TCP4:" + net.JoinHostPort(host, port)
		switch {
		case !w.getting:
			return append(argv, "-u", "STDIO", to)
		case !w.sending:
			return append(argv, "-u", to, "STDIO")
		}
		return append(argv, "STDIO", to)
	}
	for _, options := range []string{"", "-b 131072"} {
		add("socat", strings.TrimSpace("socat "+options), func(path string, w talkWay, host, port string) []string {
			return sided(path, w, options, host, port)
		})
	}
	return all, absent
}

// talkBench compares dialscope talk with nc, ncat and socat, over the loopback of
// a network namespace, byte by byte.
func talkBench(args []string) error {
	o, err := parseTalk(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if netns.Supported() != nil && os.Getenv("DIALSCOPE_BENCH_INSIDE") == "" {
		return inside()
	}
	h, close, err := oneHost("talk")
	if err != nil {
		return err
	}
	defer close()
	s := &talkStage{o: o, host: h}
	if s.self, err = os.Executable(); err != nil {
		return err
	}
	printMachine(os.Stdout, o.dir)
	all, absent := talkers(o)
	if len(absent) > 0 {
		fmt.Println("not installed, and left out:", strings.Join(absent, ", "))
	}
	for _, w := range talkWays {
		if len(o.only) > 0 && !slices.Contains(o.only, w.name) {
			continue
		}
		if err := s.compare(w, all); err != nil {
			return err
		}
	}
	fmt.Println("\nwall: from the program's start until it has ended and the last octet was compared with what was sent. CPU:")
	fmt.Println("the program's own, user and system. Who writes into its pipe, reads out of it and is its peer is the same for all.")
	fmt.Printf("reproduce: scripts/bench talk -size %v -rounds %d %s\n", o.size, o.rounds, strings.Join(o.only, " "))
	return nil
}

type talkStage struct {
	o    talkOptions
	host *netns.Host
	self string
}

// talked is what the runs of one program showed.
type talked struct {
	wall, cpu spread // s
	fault     error  // of its last run; it has no further turn
}

func (s *talkStage) compare(w talkWay, all []talker) error {
	fmt.Printf("\n%s: %s; %v, %d rounds\n", w.name, w.about, s.o.size, s.o.rounds)
	results := make([]talked, len(all))
	for round := range s.o.rounds + 1 {
		for _, who := range order(len(all), round) {
			r := &results[who]
			if r.fault != nil {
				continue
			}
			size := s.o.size
			if round == 0 { // it warms up
				size = min(size, 1<<20)
			}
			var one talkRun
			if one, r.fault = s.run(w, all[who], size); r.fault == nil && round > 0 {
				r.wall = append(r.wall, one.wall.Seconds())
				r.cpu = append(r.cpu, one.cpu.Seconds())
			}
		}
	}
	ours := results[0]
	if ours.fault != nil {
		return fmt.Errorf("%s, %s: %w", all[0].name, w.name, ours.fault)
	}
	best := bestTalker(results)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "\twall, s\t: best peer\tCPU, s\t: best peer\n")
	for i, r := range results {
		switch {
		case r.fault != nil:
			fmt.Fprintf(t, "%s\tcannot: %v\n", all[i].name, r.fault)
		case best == 0:
			fmt.Fprintf(t, "%s\t%s\t–\t%s\t–\n", all[i].name, r.wall.format(2), r.cpu.format(2))
		default:
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", all[i].name, r.wall.format(2), r.wall.ratio(results[best].wall).format(2),
				r.cpu.format(2), r.cpu.ratio(results[best].cpu).format(2))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if best > 0 {
		goal(fmt.Sprintf("%s, wall : that of %s, the best peer", w.name, all[best].name), ours.wall.ratio(results[best].wall).median(), 1.10)
	}
	return nil
}

// bestTalker is the peer with the least median of wall time; 0: there is none.
func bestTalker(results []talked) (best int) {
	for i, r := range results {
		if i > 0 && r.fault == nil && (best == 0 || r.wall.median() < results[best].wall.median()) {
			best = i
		}
	}
	return best
}

type talkRun struct{ wall, cpu time.Duration }

// run moves size octets through a program. Everyone else is ready when it starts.
func (s *talkStage) run(w talkWay, who talker, size octets) (r talkRun, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.timeout)
	defer cancel()
	far := s.host.Command(ctx, s.self, "talkpeer", fmt.Sprint(w.sending), fmt.Sprint(w.getting), fmt.Sprint(int64(size)))
	said, err := far.StdoutPipe()
	if err != nil {
		return r, err
	}
	var farFault, sinkFault, words strings.Builder
	far.Stderr = &farFault
	if err := far.Start(); err != nil {
		return r, err
	}
	address, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return r, errors.Join(err, far.Wait())
	}
	host, port, err := net.SplitHostPort(strings.TrimSpace(address))
	if err != nil {
		return r, err
	}
	argv := who.argv(w, host, port)
	c := s.host.Command(ctx, argv[0], argv[1:]...)
	c.Stderr = &words
	var source, sink *exec.Cmd
	var ends []io.Closer // this process's, of the pipes
	if w.sending {
		source = exec.CommandContext(ctx, s.self, "talksource", fmt.Sprint(int64(size)))
		read, write, err := os.Pipe()
		if err != nil {
			return r, err
		}
		ends, source.Stdout, c.Stdin = append(ends, read, write), write, read
		if err := source.Start(); err != nil {
			return r, err
		}
	}
	if w.getting {
		sink = exec.CommandContext(ctx, s.self, "talksink", fmt.Sprint(int64(size)))
		sink.Stderr = &sinkFault
		read, write, err := os.Pipe()
		if err != nil {
			return r, err
		}
		ends, sink.Stdin, c.Stdout = append(ends, read, write), read, write
		if err := sink.Start(); err != nil {
			return r, err
		}
	}
	time.Sleep(20 * time.Millisecond) // until they stand ready
	began := time.Now()
	err = c.Start()
	for _, end := range ends {
		end.Close()
	}
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		cancel() // whoever else still waits
		err = fmt.Errorf("%s: %w %s", strings.Join(argv, " "), err, strings.TrimSpace(words.String()))
	}
	if sink != nil {
		err = talkFault(err, sink.Wait(), &sinkFault)
	}
	err = talkFault(err, far.Wait(), &farFault)
	r.wall = time.Since(began)
	if source != nil {
		source.Wait() //nolint:errcheck // the peer has compared what it wrote
	}
	if usage := c.ProcessState; usage != nil {
		r.cpu = usage.UserTime() + usage.SystemTime()
	}
	return r, err
}

// talkFault is what was said against a transfer first.
func talkFault(first, err error, words *strings.Builder) error {
	if first != nil || err == nil {
		return first
	}
	return fmt.Errorf("%w: %s", err, strings.TrimSpace(words.String()))
}
