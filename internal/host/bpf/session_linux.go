//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Session is a set of programs that listen. Read is for one goroutine at a
// time; the other methods for any.
type Session struct {
	base      time.Time // the same moment on Go's clock
	baseClock time.Duration

	drops, resets names
	resetReasons  bool

	maps    map[string]*ebpf.Map
	links   []link.Link
	ring    *ringbuf.Reader
	record  ringbuf.Record
	sources []Source
	symbols symbols

	programs map[string]*ebpf.Program
}

// Open loads the programs and attaches them. It fails if none can be attached,
// and says why; if only some can, [Session.Sources] says why the others not.
func Open(o Options) (*Session, error) {
	if err := Permitted(); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	types, err := kernelTypes(spec.Types)
	if err != nil {
		return nil, fmt.Errorf("the types of this kernel (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	if err := rlimit.RemoveMemlock(); err != nil { // before Linux 5.11 maps count as locked memory
		return nil, err
	}
	s := &Session{drops: namesOf(types, "skb_drop_reason", "SKB_DROP_REASON_"), resets: namesOf(types, "sk_rst_reason", "SK_RST_REASON_")}
	if err := s.open(o, types, spec); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) open(o Options, types *btf.Spec, spec *ebpf.CollectionSpec) error {
	kinds := o.Kinds
	if kinds == nil {
		kinds = defaultKinds
	}
	progs := chosen(kinds)
	if o.Tasks {
		progs = chosen(append(slices.Clone(kinds), Forked, Executed, Exited))
	}
	counts := make([]int, len(progs))
	for i, p := range progs {
		_, event, _ := strings.Cut(p.tracepoint, ":")
		n, err := arguments(types, event)
		if err == nil && n < p.arguments {
			err = fmt.Errorf("this kernel's tracepoint tells too little: Linux %s is needed", p.since)
		}
		counts[i] = n
		s.sources = append(s.sources, Source{Name: p.tracepoint, Kinds: p.kinds, Err: err})
		switch {
		case p.name == "drop" && n >= 4:
			err = set(spec, "drop_has_socket", uint32(1))
		case p.name == "send_reset" && n >= 3:
			s.resetReasons = true
			err = set(spec, "reset_has_reason", uint32(1))
		}
		if err != nil && s.sources[i].Err == nil {
			return err
		}
	}
	if err := errors.Join(constants(spec, &o), set(spec, "has_print", helper(types, "BPF_FUNC_snprintf"))); err != nil {
		return err
	}
	if o.Buffer > 0 {
		spec.Maps["ring"].MaxEntries = max(4096, uint32(1)<<bits.Len32(uint32(o.Buffer-1)))
	}
	if err := errors.Join(set(spec, "quiet", s.drops.mask(o.Quiet)), set(spec, "patience", uint64(max(o.Patience, 0))),
		set(spec, "much", uint64(spec.Maps["ring"].MaxEntries/4))); err != nil {
		return err
	}
	all := spec.Programs
	spec.Programs = map[string]*ebpf.ProgramSpec{}
	for i, p := range progs {
		if s.sources[i].Err == nil {
			spec.Programs[p.name] = all[p.name]
			if o.Own {
				raw(all[p.name])
			}
		}
	}
	if !o.Own && spec.Programs["set_state"] != nil {
		spec.Programs[twin] = all[twin]
	}
	options := ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: types}}
	coll, err := ebpf.NewCollectionWithOptions(spec, options)
	if err != nil && !o.Own { // its verifier may refuse FAST (kernel.h)
		if err := set(spec, "typed", uint32(0)); err != nil {
			return err
		}
		coll, err = ebpf.NewCollectionWithOptions(spec, options)
	}
	if err != nil {
		if coll, err = s.apart(spec, progs, options); err != nil {
			return refusal(err)
		}
	}
	s.programs, s.maps = coll.Programs, coll.Maps
	if s.ring, err = ringbuf.NewReader(s.maps["ring"]); err != nil {
		return err
	}
	s.base, s.baseClock = time.Now(), sys.Monotonic()
	heard := false
	for i, p := range progs {
		if s.sources[i].Err != nil {
			continue
		}
		l, err := attach(coll.Programs[p.name], p.tracepoint)
		s.sources[i].Err = refusal(err)
		if err == nil {
			s.links, heard = append(s.links, l), true
		}
	}
	if p := coll.Programs[twin]; p != nil {
		if l, err := attach(p, ""); err == nil { // without it a few are missed, and counted
			s.links = append(s.links, l)
		}
	}
	if !heard {
		var errs []error
		for _, src := range s.sources {
			errs = append(errs, fmt.Errorf("%s: %w", src.Name, src.Err))
		}
		return errors.Join(errs...)
	}
	return nil
}

// apart loads the programs one at a time, so that the failure of one is its own.
func (s *Session) apart(spec *ebpf.CollectionSpec, progs []program, options ebpf.CollectionOptions) (*ebpf.Collection, error) {
	wanted := spec.Programs
	spec.Programs = nil
	coll, err := ebpf.NewCollectionWithOptions(spec, options)
	if err != nil {
		return nil, err
	}
	options.MapReplacements = coll.Maps
	coll.Programs = map[string]*ebpf.Program{}
	for i, p := range progs {
		if s.sources[i].Err != nil {
			continue
		}
		spec.Programs = map[string]*ebpf.ProgramSpec{p.name: wanted[p.name]}
		one, err := ebpf.NewCollectionWithOptions(spec, options)
		if err != nil {
			s.sources[i].Err = refusal(err)
			continue
		}
		coll.Programs[p.name] = one.DetachProgram(p.name)
		one.Close()
	}
	return coll, nil
}

// raw makes a typed tracepoint program (BPF_TRACE_RAW_TP) an untyped one, for
// which the kernel's types are not searched a second time: half of the cost.
func raw(p *ebpf.ProgramSpec) {
	p.Type, p.AttachType, p.AttachTo = ebpf.RawTracepoint, ebpf.AttachNone, ""
}

func attach(p *ebpf.Program, tracepoint string) (link.Link, error) {
	if p.Type() == ebpf.RawTracepoint {
		_, event, _ := strings.Cut(tracepoint, ":")
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: event, Program: p})
	}
	return link.AttachTracing(link.TracingOptions{Program: p})
}

// constants sets what the verifier then takes for fixed.
func constants(spec *ebpf.CollectionSpec, o *Options) error {
	yes := func(b bool) uint32 {
		if b {
			return 1
		}
		return 0
	}
	host := o.Host.As16()
	return errors.Join(
		set(spec, "own_only", yes(o.Own)),
		set(spec, "make_cookie", yes(!o.Own)),
		set(spec, "brief", yes(o.Brief && !o.Own)),
		set(spec, "typed", yes(!o.Own)),
		set(spec, "want_netns", o.Network),
		set(spec, "want_cgroup", o.Cgroup),
		set(spec, "want_tasks", yes(o.Tasks)),
		set(spec, "want_port", uint32(o.Port)),
		set(spec, "has_want_addr", yes(o.Host.IsValid())),
		set(spec, "want_addr", host[:]),
	)
}

func set(spec *ebpf.CollectionSpec, name string, value any) error {
	v := spec.Variables[name]
	if v == nil {
		return fmt.Errorf("events.c has no constant %s", name)
	}
	return v.Set(value)
}

// Read waits for the next event and fills it in. It returns
// [os.ErrDeadlineExceeded] after the deadline, when all that was in the ring
// has been read, and [os.ErrClosed] once the session is closed.
func (s *Session) Read(e *Event) error {
	if err := s.ring.ReadInto(&s.record); err != nil {
		return err
	}
	if !s.decode(s.record.RawSample, e) {
		return fmt.Errorf("a record of %d bytes where events.c makes %d or %d", len(s.record.RawSample), headSize, recordSize)
	}
	return nil
}

// SetDeadline bounds the Reads that begin from now on; zero removes the bound.
func (s *Session) SetDeadline(t time.Time) { s.ring.SetDeadline(t) }

// target is struct target (filter.h).
func target(network uint32, remote netip.AddrPort) []byte {
	b := make([]byte, 24)
	binary.LittleEndian.PutUint32(b, network)
	binary.LittleEndian.PutUint16(b[4:], remote.Port())
	a := remote.Addr().As16()
	copy(b[8:], a[:])
	return b
}

// Follow makes a session with [Options.Own] hear of sockets of that network
// namespace that are or will be connected to remote, and of packets to and
// from it. At most 4096 places are followed.
func (s *Session) Follow(network uint32, remote netip.AddrPort) error {
	return s.maps["targets"].Put(target(network, remote), uint32(1))
}

// Unfollow ends what Follow began.
func (s *Session) Unfollow(network uint32, remote netip.AddrPort) error {
	return s.maps["targets"].Delete(target(network, remote))
}

// FollowTask makes a session with [Options.Tasks] hear of a process.
func (s *Session) FollowTask(pid int) error {
	return s.maps["tasks"].Put(uint32(pid), uint32(1))
}

// Lost counts the events that were not written since the ring was full.
func (s *Session) Lost() (uint64, error) {
	var each []uint64
	if err := s.maps["lost"].Lookup(uint32(0), &each); err != nil {
		return 0, err
	}
	sum := uint64(0)
	for _, n := range each {
		sum += n
	}
	return sum, nil
}

// twin stands in for set_state while that is interrupted (events.c).
const twin = "set_state_again"

// Missed counts the events for which a program was not run, since one was under
// way on the same processor: a program that is interrupted is not entered again
// (bpf_prog_get_recursion_context). They are neither written nor in Lost.
func (s *Session) Missed() (uint64, error) {
	sum := uint64(0)
	for name, p := range s.programs {
		if name == twin {
			continue // it has little to do, and what it leaves out is not in caught
		}
		stats, err := p.Stats()
		if err != nil {
			return 0, err
		}
		sum += stats.RecursionMisses
	}
	caught, err := s.caught()
	return sum - min(caught, sum), err
}

// caught counts the changes of state that the twin told.
func (s *Session) caught() (sum uint64, err error) {
	var each []struct{ Busy, Caught uint64 }
	if err := s.maps["twins"].Lookup(uint32(0), &each); err != nil {
		return 0, err
	}
	for _, n := range each {
		sum += n.Caught
	}
	return sum, nil
}

// Sources says which tracepoints are heard, and why not the others.
func (s *Session) Sources() []Source { return slices.Clone(s.sources) }

// Close detaches the programs. A Read that waits returns [os.ErrClosed].
func (s *Session) Close() error {
	var errs []error
	for _, l := range s.links {
		errs = append(errs, l.Close())
	}
	s.links = nil
	if s.ring != nil {
		errs = append(errs, s.ring.Close())
	}
	for _, p := range s.programs {
		errs = append(errs, p.Close())
	}
	for _, m := range s.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
