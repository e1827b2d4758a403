package bpf

import (
	"net/netip"
	"time"
)

// Options say what a session hears. The zero value hears every TCP and UDP
// event of every network namespace of the machine.
type Options struct {
	// Kinds are the kinds of event to listen for; nil is StateChange to
	// ErrorReport. ConnectFailed and SocketFailed look at every system call of
	// the machine, which costs each of them well under a microsecond.
	Kinds []Kind

	// Own keeps to sockets and packets that go to or come from a place that
	// [Session.Follow] was told. Of the filters below only Network applies too.
	Own bool

	// Tasks keeps to the processes that [Session.FollowTask] was told, and the
	// descendants that they have from then on.
	Tasks bool

	Network uint32     // inode of a network namespace, see [ThisNetwork]; 0: all
	Cgroup  uint64     // inode of a directory in the cgroup2 hierarchy: sockets made in it; 0: all
	Port    uint16     // at either end; 0: all
	Host    netip.Addr // at either end; zero: all
	Buffer  int        // of the ring, bytes, rounded up to a power of two; 0: 256 KiB, some 1900 events

	// Brief leaves out what says nothing new: the states of listeners, and the
	// ErrorReport of an error that the change to CLOSE has told (Event.Errno), or
	// that the socket's own RST leaves behind (tcp_disconnect).
	Brief bool
	Quiet []string // reasons of drops that are not wanted, as Event.Reason has them; they cost nearly nothing

	// Patience is for how long events may lie in the ring before the reader is
	// woken, unless a quarter of it is full; 0: it is woken for each, which costs
	// the task that made the event more than all the rest. A reader that waits
	// has to set a deadline: the last events wake nobody.
	Patience time.Duration
}

// Source is one tracepoint, and whether it is heard.
type Source struct {
	Name  string // "skb:kfree_skb"
	Kinds []Kind
	Err   error // why it is not heard; nil when it is
}
