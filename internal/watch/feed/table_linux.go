package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/dialscope/dialscope/internal/host/socktable"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

// table looks at the table of sockets again and again, and hears in between of
// each that the kernel destroys.
type table struct {
	examiner
	o         Options
	destroyed *sys.DestroyedSockets // nil: not heard
	deaf      error                 // why
	owners    *owners
	known     map[uint64]*seen // by cookie
	inTree    map[uint32]watch.Process
	lost      atomic.Uint64
	looks     uint64
	first     bool
}

// seen is a socket as the last look had it.
type seen struct {
	state  sockets.State
	resent uint32
	look   uint64
	asked  bool // its process was looked for
}

// OpenTable watches the table of sockets, for which no privilege is needed.
func OpenTable(o Options) (Source, error) {
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	t := &table{o: o, owners: newOwners(), known: map[uint64]*seen{}, first: true}
	t.destroyed, t.deaf = sys.OpenDestroyedSockets()
	if _, err := socktable.Read(time.Now(), socktable.Query{TCP: true, States: sockets.Set(sockets.Listen)}); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *table) Name() string { return fmt.Sprintf("the table of sockets, every %v", t.o.Every) }

func (t *table) Missing() []string {
	missing := []string{
		"Attempts that fail at once, or never send a packet, are not seen, and of no failure the errno.",
		"Packets that this host throws away are not seen.",
		"Other network namespaces are not seen.",
		"A FIN may be counted as an octet of data.",
	}
	switch {
	case t.o.Tree:
		missing = append(missing, fmt.Sprintf("A connection that opens and closes within %v may be missed: whose it was is found out while it stands.", t.o.Every))
	case t.deaf != nil:
		missing = append(missing, fmt.Sprintf("A connection that opens and closes within %v is not seen (%v).", t.o.Every, t.deaf))
	default:
		missing = append(missing, fmt.Sprintf("Of a connection that opens and closes within %v only the end is seen, and not whose it was.", t.o.Every))
	}
	if t.o.Cgroup != 0 {
		missing = append(missing, "The cgroup of a socket that was destroyed is not known.")
	}
	return missing
}

func (t *table) Lost() uint64                             { return t.lost.Load() }
func (t *table) Owner(*watch.Event) (watch.Process, bool) { return watch.Process{}, false }

func (t *table) Close() error {
	if t.destroyed != nil {
		return t.destroyed.Close()
	}
	return nil
}

// longest is the longest pause between two looks.
const longest = 500 * time.Millisecond

func (t *table) Run(ctx context.Context, each func(*watch.Event)) error {
	next := time.Now()
	for ctx.Err() == nil {
		now := time.Now()
		if !now.Before(next) {
			if err := t.look(now, each); err != nil {
				return err
			}
			each(nil)
			next = now.Add(t.o.Every)
			if took := time.Since(now); took > t.o.Every/4 {
				next = time.Now().Add(min(3*took, longest)) // a quarter of one processor
			}
		}
		if err := t.wait(ctx, min(time.Until(next), moment), each); err != nil {
			return err
		}
	}
	return nil
}

// wait listens for destroyed sockets until something came or the time is over.
func (t *table) wait(ctx context.Context, d time.Duration, each func(*watch.Event)) error {
	if t.destroyed == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		return nil
	}
	overflow, err := t.destroyed.Read(time.Now().Add(d), func(s *sys.DiagSocket) { t.gone(s, each) })
	if overflow {
		t.lost.Add(1)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// gone tells of a socket that was destroyed.
func (t *table) gone(d *sys.DiagSocket, each func(*watch.Event)) {
	if d.Remote.Port() == 0 || d.Info == nil {
		return // it never was connected
	}
	e := watch.Event{Kind: watch.Gone, At: time.Now(), Cookie: d.Cookie, Local: unmap(d.Local), Remote: unmap(d.Remote), HasFlow: true, Looked: true}
	e.Flow = watch.Flow{
		RTT: time.Duration(d.Info.Rtt) * time.Microsecond, Resent: d.Info.Total_retrans, Acked: d.Info.Bytes_acked, Received: d.Info.Bytes_received, SegmentsIn: d.Info.Segs_in,
	}
	_, e.In = t.owners.listeners[e.Local.Port()]
	if last := t.known[d.Cookie]; last != nil {
		e.New = last.state
		delete(t.known, d.Cookie)
	} else if t.o.Tree {
		return // whose it was is not known
	}
	// The kernel counts the SYN among what was acknowledged (tcp_ack).
	e.Attempt = !e.In && d.Info.Bytes_acked == 0 && (e.New == sockets.SYNSent || e.New == sockets.UnknownState)
	each(&e)
}

// look compares the table with what it was.
func (t *table) look(now time.Time, each func(*watch.Event)) error {
	if t.o.Tree {
		t.tree()
	}
	q := socktable.Query{TCP: true, Info: true, Processes: t.first && !t.o.Tree}
	read, err := socktable.Read(now, q)
	if err != nil {
		return err
	}
	t.looks++
	fresh := false
	for i := range read.Sockets {
		s := &read.Sockets[i]
		if s.Inode == 0 || s.State == sockets.Listen || s.State == sockets.Closed {
			continue
		}
		if last := t.known[s.Cookie]; last == nil || !last.asked {
			fresh = true
			if last != nil {
				last.asked = true // it was in the accept queue before, and nobody's
			}
		}
	}
	if fresh && !q.Processes && !t.o.Tree {
		socktable.FindHolders(read)
	}
	t.owners.learn(read)
	for i := range read.Sockets {
		t.compare(read, &read.Sockets[i], each)
	}
	for cookie, s := range t.known {
		if s.look == t.looks {
			continue
		}
		if t.destroyed == nil || t.looks-s.look > 1 { // else the kernel's own word comes
			each(&watch.Event{Kind: watch.Gone, At: now, Cookie: cookie, New: s.state})
			delete(t.known, cookie)
		}
	}
	t.first = false
	return nil
}

func (t *table) compare(read *sockets.Table, s *sockets.Socket, each func(*watch.Event)) {
	e, is := t.owners.standing(read, s)
	if !is {
		return
	}
	if t.o.Tree {
		if e.Process, is = t.inTree[s.Inode]; !is || s.Inode == 0 {
			if t.known[s.Cookie] == nil {
				return
			}
		}
	}
	if t.o.Cgroup != 0 && s.Cgroup != t.o.Cgroup {
		return
	}
	e.Looked = true
	last := t.known[s.Cookie]
	if last == nil {
		last = &seen{state: s.State, resent: e.Flow.Resent, asked: s.Inode != 0}
		t.known[s.Cookie] = last
		e.Kind = watch.Stands
		if !t.first {
			// It began since the last look: with a SYN of its own, or of the peer.
			e.Kind, e.Old = watch.Changed, sockets.Closed
			if e.In {
				e.Old = sockets.SYNReceived
			}
			began := e
			if !e.In && s.State != sockets.SYNSent {
				began.New = sockets.SYNSent
				each(&began)
				e.Old = sockets.SYNSent
			}
			if s.State != sockets.SYNSent && s.State != sockets.Established && s.State != sockets.SYNReceived {
				open := e
				open.New = sockets.Established
				each(&open)
				e.Old = sockets.Established
			}
		}
		each(&e)
	} else if last.state != s.State {
		e.Kind, e.Old = watch.Changed, last.state
		last.state = s.State
		each(&e)
	}
	if resent := max(e.Flow.Resent, uint32(s.Retries)); resent > last.resent {
		e.Kind = watch.Resent
		for range min(resent-last.resent, 16) {
			each(&e)
		}
		last.resent = resent
	}
	last.look = t.looks
}

// tree finds the sockets of this process's children.
func (t *table) tree() {
	t.inTree = map[uint32]watch.Process{}
	for _, pid := range socktable.Descendants(os.Getpid()) {
		p := t.owners.processes[pid]
		socktable.SocketsOf(pid, func(inode uint32) {
			if p.PID == 0 {
				of := socktable.Process(pid)
				p = watch.Process{PID: pid, Name: of.Name, UID: uint32(os.Getuid()), Container: of.Container}
			}
			if _, known := t.inTree[inode]; !known { // the parent comes before the child that inherits it
				t.inTree[inode] = p
			}
		})
	}
}
