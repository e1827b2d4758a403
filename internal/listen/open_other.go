//go:build !linux

package listen

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// Server needs Linux: epoll(7), SO_REUSEPORT and TCP_INFO.
type Server struct{ Options }

// Open says that this system is not supported.
func Open(Options) (*Server, error) {
	return nil, fmt.Errorf("dialscope cannot listen on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// CanCrash says that this system is not supported.
func CanCrash() error { return fmt.Errorf("TCP_REPAIR on %s: %w", runtime.GOOS, errors.ErrUnsupported) }

// The rest of a Server, which Open never returns.
func (s *Server) Addrs() []netip.AddrPort      { return nil }
func (s *Server) Sockets() int                 { return 0 }
func (s *Server) Counters() Counters           { return Counters{} }
func (s *Server) Close()                       {}
func (s *Server) Run(context.Context) *Summary { return nil }
