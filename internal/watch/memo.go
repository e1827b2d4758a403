package watch

import (
	"net/netip"
	"slices"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/sockets"
)

// Words say which verdicts have an explanation and a remedy in words. To make
// them costs more than all the rest of a story; [Judge] makes them later of a
// copy, too. Attempts that fail have them always.
type Words uint8

// What has words.
const (
	AllWords  Words = iota
	OfFailing       // not the connections that ended without an error
	NoWords         // no connection that was established
)

// shape is what the verdict on an established connection's end goes by, besides
// whose addresses they are and how long it took. TestMemo compares.
type shape struct {
	before                  sockets.State
	first                   string
	errno                   evidence.Errno
	rstIn, rstOut           bool
	udp, v6                 bool
	acked, received, resent bool
	local, remote           class
	same, self              bool // both ends have one address; are one socket
}

// class is what kind of address it is.
type class struct {
	valid, unspecified, loopback, private, linkLocal, multicast, port bool
}

func classOf(a netip.AddrPort) class {
	return class{a.IsValid(), a.Addr().IsUnspecified(), a.Addr().IsLoopback(), a.Addr().IsPrivate(), a.Addr().IsLinkLocalUnicast(), a.Addr().IsMulticast(), a.Port() != 0}
}

// shape is false where the verdict goes by more than that.
func (s *Story) shape() (k shape, is bool) {
	switch {
	case s.Call != "", s.Sync, s.Vanished, s.before == sockets.SYNSent, s.before == sockets.SYNReceived, len(s.Facts) > 0:
		return k, false
	}
	return shape{s.before, s.First, s.Errno, s.RSTIn, s.RSTOut, s.UDP, s.Remote.Addr().Is6(),
		s.Sent() > 0, s.Got() > 0, s.Flow.Resent > 0, classOf(s.Local), classOf(s.Remote), s.Local.Addr() == s.Remote.Addr(), s.Local == s.Remote}, true
}

// mostShapes bounds the memory; there are some dozens in practice.
const mostShapes = 4096

// recall gives the verdict on a story of the same shape, without words.
func (t *Tracker) recall(s *Story) (cause.Verdict, bool) {
	k, is := s.shape()
	if !is || t.Words == AllWords {
		return cause.Verdict{}, false
	}
	v, known := t.verdicts[k]
	if !known {
		v, _ = Judge(s)
		v.Explanation, v.Remedy = "", ""
		if t.verdicts == nil || len(t.verdicts) >= mostShapes {
			t.verdicts = map[shape]cause.Verdict{}
		}
		if !onlyNames(&v, s.Remote.Addr()) {
			return cause.Verdict{}, false
		}
		t.verdicts[k] = v
	}
	if t.Words == OfFailing && failing(&v) {
		return cause.Verdict{}, false
	}
	v.Culprit = rename(v.Culprit, s.Remote.Addr())
	if len(v.Alternatives) > 0 {
		v.Alternatives = slices.Clone(v.Alternatives)
		for i := range v.Alternatives {
			v.Alternatives[i].Culprit = rename(v.Alternatives[i].Culprit, s.Remote.Addr())
		}
	}
	return v, true
}

// onlyNames says that a verdict names nobody but the peer.
func onlyNames(v *cause.Verdict, peer netip.Addr) bool {
	names := func(f cause.Finding) bool { return f.Culprit.Address.IsValid() && f.Culprit.Address != peer }
	return !names(v.Finding) && !slices.ContainsFunc(v.Alternatives, names)
}

func rename(c cause.Culprit, peer netip.Addr) cause.Culprit {
	if c.Address.IsValid() {
		c.Address = peer
	}
	return c
}
