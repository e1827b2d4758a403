package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// player is one playing of a script. All but read runs on one goroutine.
type player struct {
	script *Script
	ctx    context.Context
	dev    Device
	clock  Clock

	arrivals chan *packet
	readDone chan struct{}
	readErr  error // set before readDone is closed
	stop     chan struct{}

	transcript Transcript
	flows      map[flowKey]*flow
	begun      uint32           // flows to which an initial sequence number was given
	used       map[any]*usage   // by *rule and *node
	ids        map[*node]uint16 // last IPv4 identification

	mark      time.Time // when the last step was over
	captured  *packet   // by the last expect or ignore
	inbox     []*packet // that came while no step waited for them
	scheduled []scheduled
	reversing bool
	held      [][]byte // sends of a reversed block
	finished  bool     // all steps are played
}

// scheduled is something to be done at a time.
type scheduled struct {
	at time.Time
	do func() error
}

var (
	errTimeout = errors.New("nothing came in time")
	errEnd     = errors.New("end")
)

// verdict is what a waiting step says of a packet.
type verdict uint8

const (
	notMine verdict = iota
	captured
	lost // on its way: the flow does not know of it
)

// maxInbox bounds what is kept for steps to come.
const maxInbox = 4096

// pump does what is due and takes in packets until one is captured or lost by
// want, which may be nil, or the time comes (errTimeout; the zero time never
// does).
func (p *player) pump(until time.Time, want func(*packet) verdict) (*packet, error) {
	for {
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.runDue(); err != nil {
			return nil, err
		}
		wake := until
		if len(p.scheduled) > 0 && (wake.IsZero() || p.scheduled[0].at.Before(wake)) {
			wake = p.scheduled[0].at
		}
		k, err := p.await(wake)
		switch {
		case err != nil:
			return nil, err
		case k != nil:
			taken, err := p.arrive(k, want)
			if err != nil || taken {
				return k, err
			}
		case !until.IsZero() && !p.clock().Before(until):
			return nil, errTimeout
		}
	}
}

// await returns the next packet, or nil when the time has come.
func (p *player) await(wake time.Time) (*packet, error) {
	var timer <-chan time.Time
	if !wake.IsZero() {
		t := time.NewTimer(wake.Sub(p.clock()))
		defer t.Stop()
		timer = t.C
	}
	select {
	case k := <-p.arrivals:
		return k, nil
	case <-timer:
		return nil, nil
	case <-p.readDone:
		return nil, p.readErr
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p *player) schedule(at time.Time, do func() error) {
	i, _ := slices.BinarySearchFunc(p.scheduled, at, func(s scheduled, t time.Time) int {
		if s.at.After(t) {
			return 1
		}
		return -1 // behind those of the same time
	})
	p.scheduled = slices.Insert(p.scheduled, i, scheduled{at, do})
}

func (p *player) runDue() error {
	for len(p.scheduled) > 0 && !p.scheduled[0].at.After(p.clock()) {
		do := p.scheduled[0].do
		p.scheduled = p.scheduled[1:]
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// capture awaits what a step wants, first among what has come already. Older packets are
// given up.
func (p *player) capture(until time.Time, want func(*packet) verdict) (*packet, error) {
	for i, k := range p.inbox {
		if want(k) != notMine {
			p.inbox = p.inbox[i+1:]
			return k, nil
		}
	}
	p.inbox = nil
	return p.pump(until, want)
}

func (s *expectStep) play(p *player) error {
	var until time.Time
	if s.max > 0 {
		until = p.mark.Add(s.max)
	}
	k, err := p.capture(until, func(k *packet) verdict {
		if s.match.takes(k) {
			return captured
		}
		return notMine
	})
	if err != nil {
		return p.blame(err, s.line, s.text)
	}
	p.transcript.note(k.entry, "line %d: %s", s.line, s.text)
	after := max(k.at.Sub(p.mark), 0)
	if after < s.min || s.max > 0 && after > s.max {
		return p.unmet(s.line, s.text, fmt.Sprintf("it came %v after the step before", after.Round(time.Microsecond)))
	}
	p.took(k)
	return nil
}

func (p *player) took(k *packet) {
	p.captured = k
	if k.at.After(p.mark) {
		p.mark = k.at
	}
}

func (s *absentStep) play(p *player) error {
	until := p.mark.Add(s.duration)
	k, err := p.capture(until, func(k *packet) verdict {
		if s.match.takes(k) {
			return captured
		}
		return notMine
	})
	switch {
	case errors.Is(err, errTimeout):
		p.mark = until
		return nil
	case err != nil:
		return p.blame(err, s.line, s.text)
	}
	p.transcript.note(k.entry, "line %d: %s", s.line, s.text)
	return p.unmet(s.line, s.text, "one came")
}

func (s *ignoreStep) play(p *player) error {
	for range s.count {
		k, err := p.capture(time.Time{}, func(k *packet) verdict {
			if s.match.takes(k) {
				return lost
			}
			return notMine
		})
		if err != nil {
			return p.blame(err, s.line, s.text)
		}
		p.transcript.note(k.entry, "line %d: %s", s.line, s.text)
		p.took(k)
	}
	return nil
}

func (s *waitStep) play(p *player) error { return p.wait(s.duration, s.line, "wait") }

// wait lets time pass; what comes meanwhile is kept.
func (p *player) wait(d time.Duration, line int, text string) error {
	p.mark = p.mark.Add(d)
	if _, err := p.pump(p.mark, nil); !errors.Is(err, errTimeout) {
		return p.blame(err, line, text)
	}
	return nil
}

func (s *repeatStep) play(p *player) error {
	for range s.count {
		for _, one := range s.body {
			if err := one.play(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sendStep) play(p *player) error {
	when := s.out.earliest(p.captured, p.mark.Add(s.after))
	if wait := when.Sub(p.mark); wait > 0 {
		if err := p.wait(wait, s.line, "after"); err != nil {
			return err
		}
	}
	return p.send(s, p.captured, nil, p.mark)
}

func (s *reversedStep) play(p *player) error {
	p.reversing = true
	defer func() { p.reversing, p.held = false, nil }()
	for _, one := range s.body {
		if err := p.send(one, p.captured, nil, p.mark); err != nil {
			return err
		}
	}
	for _, b := range slices.Backward(p.held) {
		if err := p.write(b, s.line); err != nil {
			return err
		}
	}
	return nil
}

func (*endStep) play(*player) error { return errEnd }

// blame names the step that an error befell.
func (p *player) blame(err error, line int, text string) error {
	switch {
	case errors.Is(err, errTimeout):
		return p.unmet(line, text, err.Error())
	case p.ctx.Err() != nil:
		return &UnfinishedError{line, text, p.ctx.Err()}
	}
	return err
}

func (p *player) unmet(line int, text, why string) error {
	return &UnmetError{line, text, why, p.clock().Sub(p.transcript.Began)}
}
