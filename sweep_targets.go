package dialscope

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/dialscope/dialscope/internal/sweep"
)

// sweepInput makes spaces of words.
type sweepInput struct {
	ports    []uint16
	exclude  []sweep.Span
	reserved bool
	seen     *sweep.Seen // of a stream: what was named before

	mu     sync.Mutex
	named  map[netip.Addr]string
	failed []sweep.Target // names without an address
}

func newSweepInput(t SweepTargets) (*sweepInput, error) {
	in := &sweepInput{ports: t.Ports, reserved: t.Reserved, named: map[netip.Addr]string{}}
	if t.More != nil {
		in.seen = new(sweep.Seen)
	}
	for _, text := range t.Exclude {
		span, err := sweep.ParseExclusion(text)
		if err != nil {
			return nil, err
		}
		in.exclude = append(in.exclude, span)
	}
	if !t.Reserved {
		in.exclude = append(in.exclude, sweep.Reserved()...)
	}
	return in, nil
}

func tcpService(name string) (uint16, bool) {
	port, err := net.DefaultResolver.LookupPort(context.Background(), "tcp", name)
	return uint16(port), err == nil
}

// resolvers is how many names are looked up at once.
const resolvers = 32

// space reads words and resolves the names among them.
func (in *sweepInput) space(ctx context.Context, words []string) (*sweep.Space, error) {
	var wants []sweep.Want
	var names []sweep.Target
	for _, w := range words {
		t, err := sweep.ParseTarget(w, in.reserved, tcpService)
		if err != nil {
			return nil, err
		}
		if t.Ports == nil && len(in.ports) == 0 {
			return nil, &sweep.ParseError{Input: w, Reason: "which ports", Remedy: "name them, for example 22,80,8000-8100"}
		}
		if t.Name != "" {
			names = append(names, t)
		} else {
			wants = append(wants, sweep.Want{Span: t.Span, Ports: t.Ports})
		}
	}
	found, err := in.resolve(ctx, names)
	if err != nil {
		return nil, err
	}
	return sweep.NewSpace(append(wants, found...), in.ports, in.exclude, in.seen)
}

func (in *sweepInput) resolve(ctx context.Context, names []sweep.Target) ([]sweep.Want, error) {
	addrs := make([][]netip.Addr, len(names))
	var running sync.WaitGroup
	gate := make(chan struct{}, resolvers)
	for i, t := range names {
		running.Add(1)
		gate <- struct{}{}
		go func() {
			defer func() { <-gate; running.Done() }()
			addrs[i], _ = net.DefaultResolver.LookupNetIP(ctx, "ip", t.Name)
		}()
	}
	running.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var wants []sweep.Want
	in.mu.Lock()
	defer in.mu.Unlock()
	for i, t := range names {
		if len(addrs[i]) == 0 {
			in.failed = append(in.failed, t)
		}
		slices.SortFunc(addrs[i], netip.Addr.Compare)
		for _, a := range addrs[i] {
			a = a.Unmap()
			if _, known := in.named[a]; !known {
				in.named[a] = t.Name
			}
			wants = append(wants, sweep.Want{Span: sweep.Span{First: a, Last: a}, Ports: t.Ports})
		}
	}
	return wants, nil
}

func (in *sweepInput) nameOf(a netip.Addr) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.named) == 0 {
		return ""
	}
	return in.named[a]
}

// takeFailed gives the names that were found to have no address since last asked.
func (in *sweepInput) takeFailed() []sweep.Target {
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.failed
	in.failed = nil
	return f
}

// chunk is how many words of the stream become one space; enough that a random
// order within it spreads over networks. It is part of what a place means.
const chunk = 8192

// stream adds the spaces of More to the schedule as it empties.
func (s *Sweeper) stream(ctx context.Context) {
	defer s.withLock(func() { s.schedule.Close() })
	words := make([]string, 0, chunk)
	add := func() bool {
		space, err := s.input.space(ctx, words)
		words = words[:0]
		if err != nil {
			s.fail(err)
			return false
		}
		if !s.awaitRoom(ctx) {
			return false
		}
		s.withLock(func() { s.add(space) })
		return true
	}
	for word, err := range s.more {
		if err != nil {
			s.fail(err)
			return
		}
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if words = append(words, word); len(words) == chunk && !add() {
			return
		}
	}
	if len(words) > 0 {
		add()
	}
}

// ErrNoTargets: everything was excluded, or nothing was named.
var ErrNoTargets = errors.New("no target is left: everything named is excluded or reserved")

func errShard(k, n int) error {
	return fmt.Errorf("there is no shard %d of %d", k, n)
}
