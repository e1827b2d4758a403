package listen

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// Options say where to listen, and how. The zero value of a field asks for
// nothing.
type Options struct {
	Addrs   []netip.AddrPort // port 0: the kernel chooses
	Network string           // tcp, tcp4, tcp6, udp, udp4 or udp6; empty: tcp
	Personality

	Alive evidence.Alive // when a connection notices that its peer is gone

	Backlog     int  // of listen(2), where SetBacklog says so
	SetBacklog  bool // else 4096, or net.core.somaxconn where that is less
	RefuseAfter int  // close the listening sockets after so many connections
	Count       int  // accept so many connections, and end when they have ended
	Threads     int  // 0: one a processor

	// Evidence asks for the evidence of every end; otherwise those that both ends
	// made in order come without, and with the verdict that is on all of them.
	Evidence bool

	// Each gets what happens, in batches and in its order on each thread; one
	// call at a time. Nil: nobody is told. The slice is used again.
	Each func([]Event)
}

// defaultBacklog is what the kernel cuts to net.core.somaxconn (listen(2)),
// which is 4096 since Linux 5.4.
const defaultBacklog = 4096

// BindError is an address that cannot be listened on. It unwraps to the errno.
type BindError struct {
	Addr    netip.AddrPort
	Network string
	Call    string // "socket", "bind", "listen", "setsockopt"
	Err     error
	Holder  *evidence.Holder // who has the address, where it is seen
	Lowest  int              // EACCES: net.ipv4.ip_unprivileged_port_start, 0: not known
}

func (e *BindError) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Call, e.Addr, os.NewSyscallError(e.Call, e.Err))
}

func (e *BindError) Unwrap() error { return e.Err }

// retry is how long accepting pauses without descriptors, when no connection of
// the same thread ends before: others of this process, or of this host, may
// have been closed meanwhile.
const retry = 100 * time.Millisecond
