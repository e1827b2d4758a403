package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Device is what a script is played on: each Read gives one packet from the
// kernel, each Write hands it one. A *tun.Device is one.
type Device interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
}

// Clock tells the time of the transcript's entries. It must not jump.
type Clock func() time.Time

// UnmetError says that the kernel did not do what the script expects.
type UnmetError struct {
	Line int
	Step string        // as written
	Why  string        // what happened instead
	At   time.Duration // since Serve began
}

func (e *UnmetError) Error() string {
	return fmt.Sprintf("line %d: %s: %s, %v after the beginning", e.Line, e.Step, e.Why, e.At.Round(time.Millisecond))
}

// UnfinishedError says that the context ended before the script did. It unwraps
// to the context's error.
type UnfinishedError struct {
	Line  int
	Step  string // the one that was waiting
	Cause error
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("line %d: %s: still waiting: %v", e.Line, e.Step, e.Cause)
}

func (e *UnfinishedError) Unwrap() error { return e.Cause }

// Serve plays the script on a device, and then what it says for when it is
// idle, until the context ends or the script says "end". A nil clock is
// [time.Now].
//
// The error is an *[UnmetError] as soon as an expectation is not met, an
// *[UnfinishedError] if the context ended before the last step, or one of the
// device. The transcript is there in every case. Serve leaves nothing running,
// and the device as it was.
func (s *Script) Serve(ctx context.Context, dev Device, clock Clock) (*Transcript, error) {
	if clock == nil {
		clock = time.Now
	}
	p := &player{
		script: s, ctx: ctx, dev: dev, clock: clock,
		arrivals: make(chan *packet), readDone: make(chan struct{}), stop: make(chan struct{}),
		flows: map[flowKey]*flow{}, used: map[any]*usage{}, ids: map[*node]uint16{},
	}
	p.transcript.Began = clock()
	p.mark = p.transcript.Began
	go p.read()
	err := p.play()
	close(p.stop)
	stopErr := dev.SetReadDeadline(time.Unix(1, 0))
	if stopErr == nil { // else the device is closed, and read has ended
		<-p.readDone
		stopErr = dev.SetReadDeadline(time.Time{})
	}
	if err == nil {
		err = stopErr
	}
	return &p.transcript, err
}

// read hands on the packets until the device's deadline passes.
func (p *player) read() {
	defer close(p.readDone)
	for {
		b := make([]byte, maxPacket)
		n, err := p.dev.Read(b)
		if err != nil {
			p.readErr = err
			return
		}
		select {
		case p.arrivals <- newPacket(p.clock(), b[:n:n]):
		case <-p.stop:
			return
		}
	}
}

// maxPacket is the largest IPv4 packet, and the largest IPv6 one that is no
// jumbogram, in octets.
const maxPacket = 40 + 0xffff

func (p *player) play() error {
	for _, s := range p.script.steps {
		switch err := s.play(p); {
		case errors.Is(err, errEnd):
			return p.drain()
		case err != nil:
			return err
		}
	}
	p.finished = true
	p.inbox = nil
	_, err := p.pump(time.Time{}, nil)
	if err != nil && p.ctx.Err() != nil {
		return nil
	}
	return err
}

// drain lets what is on its way arrive.
func (p *player) drain() error {
	for len(p.scheduled) > 0 {
		_, err := p.pump(p.scheduled[len(p.scheduled)-1].at, nil)
		switch {
		case errors.Is(err, errTimeout):
		case p.ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}
