package dialscope

import (
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// KernelEvents tells dials what this host's kernel does with their packets.
// Package kernel has it for Linux. It may be used by several dials at once.
type KernelEvents interface {
	// Follow begins to collect what becomes of packets to and from a remote
	// place, in the network namespace of the calling thread. It is called
	// before the socket connects, and does not wait.
	Follow(remote netip.AddrPort) KernelFollower
}

// KernelFollower collects for one attempt.
type KernelFollower interface {
	// Heard returns what was heard since the last call about the socket with
	// this local address, its times counted from began. The error says why
	// nothing can be heard. Neither facts nor an error: nothing yet.
	Heard(local netip.AddrPort, began time.Time) (evidence.Log, error)

	// Close ends it.
	Close()
}

// follow lets the attempt be heard of.
func (x *examination) follow() {
	if x.Kernel != nil {
		x.follower = x.Kernel.Follow(x.cfg.Remote)
	}
}

// hearKernel files what was heard meanwhile.
func (x *examination) hearKernel() {
	if x.follower == nil {
		return
	}
	local, _, ok := evidence.Last[*evidence.LocalAddr](x.Log)
	if !ok {
		return // it never got as far as to have an address
	}
	log, err := x.follower.Heard(local.Addr, x.Began)
	if err != nil {
		x.deaf = err
		return
	}
	for _, e := range log {
		x.heardKernel = true
		if d, is := e.Fact.(*evidence.KernelDrop); is && d.Reason == "NETFILTER_DROP" {
			x.filtered = true
		}
		x.AddAt(e.At, e.Source, e.Fact)
	}
}

// endFollow says why nothing was heard, where that is so.
func (x *examination) endFollow(failed bool) {
	if x.follower != nil {
		x.follower.Close()
	}
	if !failed || x.heardKernel {
		return
	}
	why := "no kernel events were asked for (Dialer.Kernel)"
	switch {
	case x.deaf != nil:
		why = x.deaf.Error()
	case x.follower != nil:
		why = "the attempt ended before they were listened to"
	}
	x.Add(evidence.FromFeature, &evidence.Unseen{What: "kernel_events", Why: why})
}
