package dialscope

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// said is what a sweep, or a dial, says of a target.
type said struct {
	Addr     string
	Outcome  cause.Outcome
	Errno    evidence.Errno
	Cause    cause.ID
	Culprit  cause.Culprit
	SYNs     int
	Attempts int
	Latency  time.Duration
}

// sweepOrder is what a test asks a sweep in a namespace for.
type sweepOrder struct {
	Hosts    []string
	Ports    []uint16
	Exclude  []string
	Timeout  time.Duration
	InFlight int
	Retries  int
	Engines  int
	NoFile   uint64  // RLIMIT_NOFILE for the sweep; 0: as it is
	Rate     float64 // 0: as fast as it goes
	New      bool
	Engine   SweepEngine
	Portable bool
	Bind     [2]uint16 // these ports are taken until the sweep has met that
	Hog      int       // of NoFile's descriptors, all but so many are taken before the sweep begins
}

// sweepHelper makes the sweep that its argument describes, and prints what it says.
func sweepHelper(args []string) int {
	var order sweepOrder
	if err := json.Unmarshal([]byte(args[0]), &order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := SweepOptions{
		Timeout: order.Timeout, InFlight: order.InFlight, Retries: order.Retries, Rate: -1, Engines: order.Engines, Engine: order.Engine, NewSockets: order.New,
	}
	if order.NoFile > 0 && !limitDescriptors(order.NoFile) {
		return 1
	}
	if order.Rate > 0 {
		o.Rate = order.Rate
	}
	s, err := NewSweeper(context.Background(), SweepTargets{Hosts: order.Hosts, Ports: order.Ports, Exclude: order.Exclude}, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.portable = order.Portable
	if order.Hog > 0 {
		defer hogDescriptors(order.Hog)()
	}
	var bound []net.Listener
	for port := order.Bind[0]; port > 0 && port <= order.Bind[1]; port++ {
		l, err := net.Listen("tcp4", fmt.Sprint("0.0.0.0:", port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		bound = append(bound, l)
	}
	if len(bound) > 0 {
		go func() {
			for s.Progress().Faults == 0 {
				time.Sleep(time.Millisecond)
			}
			for _, l := range bound {
				l.Close()
			}
		}()
	}
	out := json.NewEncoder(os.Stdout)
	for r, err := range s.Results(context.Background()) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		out.Encode(said{r.Addr.String(), r.Outcome, r.Errno, r.Cause, r.Culprit, r.SYNs, r.Attempts, r.Latency})
	}
	p := s.Progress()
	fmt.Fprintf(os.Stderr, "%d targets in %v: %d attempts, %d retried, window %d, loss %.4f, faults: %d\n",
		p.Done, p.Elapsed, p.Attempts, p.Retried, p.Window, p.Loss, p.Faults)
	return 0
}

// dialEach dials its arguments after the first, which is the timeout, at once.
func dialEach(args []string) int {
	timeout, err := time.ParseDuration(args[0])
	if err != nil {
		return 1
	}
	type answer struct {
		said
		i int
	}
	answers := make(chan answer)
	for i, a := range args[1:] {
		go func() {
			conn, r, err := (&Dialer{AttemptTimeout: timeout}).DialReport(context.Background(), "tcp", a)
			if err == nil {
				conn.Close()
			}
			v := r.Verdict()
			answers <- answer{said{a, v.Outcome, v.Errno, v.Cause, v.Culprit, cause.SYNs(&r.Attempts[0]), 1, 0}, i}
		}()
	}
	all := make([]said, len(args)-1)
	for range all {
		a := <-answers
		all[a.i] = a.said
	}
	out := json.NewEncoder(os.Stdout)
	for _, s := range all {
		out.Encode(s)
	}
	return 0
}

// parseSaid reads what the helpers print, by address.
func parseSaid(text string) (map[string]said, error) {
	all := map[string]said{}
	in := json.NewDecoder(strings.NewReader(text))
	for in.More() {
		var s said
		if err := in.Decode(&s); err != nil {
			return nil, err
		}
		if _, twice := all[s.Addr]; twice {
			return nil, fmt.Errorf("two results of %s", s.Addr)
		}
		all[s.Addr] = s
	}
	return all, nil
}

// hogDescriptors takes all descriptors but some, and gives what lets them go.
func hogDescriptors(left int) (release func()) {
	var files []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		files = append(files, f)
	}
	for _, f := range files[max(0, len(files)-left):] {
		f.Close()
	}
	files = files[:max(0, len(files)-left)]
	return func() {
		for _, f := range files {
			f.Close()
		}
	}
}
