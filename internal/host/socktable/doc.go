// Package socktable reads the table of a host's sockets: from sock_diag(7) what
// they are, from proc(5) who holds them, from the kernel's settings what they
// may use up.
//
// Every function asks in the network namespace of the calling thread, needs no
// privilege and sends no packet. On systems other than Linux they return an
// error that wraps [errors.ErrUnsupported].
package socktable

import "github.com/dialscope/dialscope/internal/sockets"

// Query says what to read.
type Query struct {
	TCP, UDP  bool
	States    sockets.States // of TCP; the empty set: all
	Info      bool           // TCP_INFO, of connections
	Processes bool           // who holds the sockets
}
