// Package feed has the sources of package watch's events: the kernel's
// tracepoints, where this process may use them, and else its table of sockets,
// looked at again and again.
//
// Neither sends a packet or changes anything.
package feed

import (
	"context"
	"net/netip"
	"time"

	"github.com/dialscope/dialscope/internal/watch"
)

// Options say what to watch. The zero value watches all that the source sees.
type Options struct {
	Here   bool          // this network namespace only
	Host   netip.Addr    // at either end; zero: all
	Port   uint16        // at either end; 0: all
	Cgroup uint64        // inode of its directory in the cgroup2 hierarchy; 0: all
	Tree   bool          // this process's children from now on, and theirs; not itself
	Every  time.Duration // between two looks at the table; 0: DefaultEvery
	Buffer int           // of the ring, octets; 0: DefaultBuffer
}

// DefaultEvery is the time between two looks at the table of sockets.
const DefaultEvery = 100 * time.Millisecond

// DefaultBuffer holds some 240,000 events, those of 30,000 short connections. It
// is the kernel's memory, and taken at once.
const DefaultBuffer = 32 << 20

// Source writes events.
type Source interface {
	// Run hands over the events in the order of their times, until the context
	// ends; with nil it says that none has come for a moment.
	Run(ctx context.Context, each func(*watch.Event)) error

	// Name says what it is, Missing what it does not see, a sentence each.
	Name() string
	Missing() []string

	// Lost counts the events that were made and not seen.
	Lost() uint64

	// Owner says whose a socket is of which the event does not tell it.
	Owner(*watch.Event) (watch.Process, bool)

	// Look adds to a story what this host can still be asked about it.
	Look(*watch.Story)

	Close() error
}

// Open opens the best source that this process may use. Why says what stood
// against a better one; it is nil for the best.
func Open(o Options) (s Source, why error, err error) {
	k, why := OpenKernel(o)
	if why == nil {
		return k, nil, nil
	}
	p, err := OpenTable(o)
	if err != nil {
		return nil, why, err
	}
	return p, why, nil
}
