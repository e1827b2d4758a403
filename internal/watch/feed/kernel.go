package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/bpf"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/sockets"
	"github.com/dialscope/dialscope/internal/watch"
)

// kernel listens to tracepoints.
type kernel struct {
	examiner
	session *bpf.Session
	owners  *owners
	symbols map[uint64]string
	here    uint32
	started time.Time
	stands  []watch.Event
	lost    atomic.Uint64
	missing []string
}

// OpenKernel listens to the kernel's tracepoints. The error says why it may not.
func OpenKernel(o Options) (Source, error) {
	options := bpf.Options{
		Kinds: []bpf.Kind{bpf.StateChange, bpf.Drop, bpf.Retransmit, bpf.ResetSent, bpf.ResetReceived, bpf.ErrorReport, bpf.ConnectFailed, bpf.SocketFailed},
		Tasks: o.Tree, Cgroup: o.Cgroup, Port: o.Port, Host: o.Host, Buffer: o.Buffer,
		Brief: true, Quiet: quiet, Patience: patience,
	}
	if options.Buffer == 0 {
		options.Buffer = DefaultBuffer
	}
	here, err := bpf.ThisNetwork()
	if err != nil {
		return nil, err
	}
	if o.Here {
		options.Network = here
	}
	session, err := bpf.Open(options)
	if err != nil {
		return nil, err
	}
	k := &kernel{session: session, owners: newOwners(), symbols: map[uint64]string{}, here: here, started: time.Now(), examiner: examiner{network: here}}
	if o.Tree {
		// This process's children are followed from their forks on; it makes no
		// connections itself.
		if err := session.FollowTask(os.Getpid()); err != nil {
			session.Close()
			return nil, err
		}
	} else {
		k.stands = k.owners.seed(k.started, here)
	}
	for _, s := range session.Sources() {
		if s.Err != nil {
			k.missing = append(k.missing, fmt.Sprintf("%s is not heard: %v.", s.Name, s.Err))
		}
	}
	return k, nil
}

func (k *kernel) Name() string      { return "kernel tracepoints" }
func (k *kernel) Missing() []string { return k.missing }
func (k *kernel) Lost() uint64      { return k.lost.Load() }
func (k *kernel) Close() error      { return k.session.Close() }

// moment is how long nothing must come before that is said.
const moment = 20 * time.Millisecond

func (k *kernel) Run(ctx context.Context, each func(*watch.Event)) error {
	for i := range k.stands {
		each(&k.stands[i])
	}
	k.stands = nil
	var from bpf.Event
	var to watch.Event
	for n := 0; ; n++ {
		idle := false
		if n%256 == 0 {
			k.session.SetDeadline(time.Now().Add(moment))
		}
		err := k.session.Read(&from)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			idle = true
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("the kernel's events: %w", err)
		}
		if idle || n%4096 == 4095 { // also where there is never a pause
			k.count()
			each(nil)
			if ctx.Err() != nil {
				return nil
			}
		}
		if idle {
			n = -1
			continue
		}
		if k.event(&from, &to) {
			each(&to)
		}
	}
}

// count asks how many events were lost: those that found the ring full, and those
// for which the program was not run.
func (k *kernel) count() {
	full, err := k.session.Lost()
	missed, also := k.session.Missed()
	if err == nil && also == nil {
		k.lost.Store(full + missed)
	}
}

// states are the kernel's, by number.
var states = [...]sockets.State{
	bpf.Established: sockets.Established, bpf.SynSent: sockets.SYNSent, bpf.SynRecv: sockets.SYNReceived, bpf.FinWait1: sockets.FINWait1,
	bpf.FinWait2: sockets.FINWait2, bpf.TimeWait: sockets.TimeWait, bpf.Close: sockets.Closed, bpf.CloseWait: sockets.CloseWait,
	bpf.LastAck: sockets.LastACK, bpf.Listen: sockets.Listen, bpf.Closing: sockets.Closing, bpf.NewSynRecv: sockets.SYNReceived,
}

func stateOf(s bpf.State) sockets.State {
	if int(s) < len(states) {
		return states[s]
	}
	return sockets.UnknownState
}

// kinds are the kernel's events and what they are here.
var kinds = [...]watch.Kind{
	bpf.StateChange: watch.Changed, bpf.Drop: watch.Dropped, bpf.Retransmit: watch.Resent, bpf.ResetSent: watch.ResetSent,
	bpf.ResetReceived: watch.ResetReceived, bpf.ErrorReport: watch.Failed, bpf.ConnectFailed: watch.ConnectFailed, bpf.SocketFailed: watch.SocketFailed,
}

// quiet are reasons of drops that mean nothing by themselves: the kernel has
// done what it was to do with the packet, or with the rest of a connection that
// is over.
var quiet = []string{
	"NOT_SPECIFIED", "SOCKET_CLOSE", "QUEUE_PURGE", "TCP_RESET", "TCP_FLAGS", "TCP_CLOSE", "TCP_ABORT_ON_DATA",
	"TCP_OLD_ACK", "TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_FASTOPEN",
	"NO_SOCKET", // the RST that answers it is told
	"OTHERHOST", "SKB_UCOPY_FAULT",
}

// patience is how long the kernel lets this process sleep while events come: to
// wake it for each costs the task that connects more than everything else.
const patience = 10 * time.Millisecond

// event translates. It is false for what is not told.
func (k *kernel) event(from *bpf.Event, to *watch.Event) bool {
	if from.Protocol != syscall.IPPROTO_TCP && from.Protocol != syscall.IPPROTO_UDP && from.Kind != bpf.SocketFailed {
		return false
	}
	*to = watch.Event{
		Kind: kinds[from.Kind], At: from.Time, Cookie: from.Cookie, Network: from.Network, UDP: from.Protocol == syscall.IPPROTO_UDP,
		Local: from.Local, Remote: from.Remote, Old: stateOf(from.Old), New: stateOf(from.New), Reason: from.Reason,
	}
	if from.Errno != 0 {
		to.Errno = evidence.Errno(sys.ErrnoName(syscall.Errno(from.Errno)))
	}
	if from.PID != 0 {
		to.Process = k.owners.process(from)
	}
	if from.Kind == bpf.StateChange || from.Kind == bpf.Retransmit {
		to.HasFlow = true
		to.Flow = watch.Flow{RTT: from.RTT, Resent: from.Retransmissions, Acked: from.Acked, Received: from.Received}
	}
	if from.Location != 0 {
		to.Where = k.symbol(from.Location)
	}
	if from.HasPacket {
		p := &from.Packet
		to.Packet = watch.Packet{Seen: true, Arrived: p.Arrived, Length: p.Length, Flags: p.Flags, ICMP: p.Quoted, ICMPType: p.ICMPType, ICMPCode: p.ICMPCode}
	}
	return true
}

// mostSymbols bounds what is remembered of the kernel's functions.
const mostSymbols = 4096

func (k *kernel) symbol(address uint64) string {
	name, known := k.symbols[address]
	if !known && len(k.symbols) < mostSymbols {
		name = k.session.Symbol(address)
		k.symbols[address] = name
	}
	return name
}

// Owner knows whose the sockets are that were there before.
func (k *kernel) Owner(e *watch.Event) (watch.Process, bool) {
	if e.Network != k.here && e.Network != 0 {
		return watch.Process{}, false
	}
	return k.owners.of(e)
}
