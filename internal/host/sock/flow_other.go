//go:build !linux

package sock

import (
	"errors"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Flow is not read on this system.
func Flow(_ syscall.RawConn, _, _, _ bool) (*evidence.Flow, error) { return nil, errors.ErrUnsupported }

// AliveOf is not read on this system.
func AliveOf(syscall.RawConn) (*evidence.Alive, error) { return nil, errors.ErrUnsupported }

// SetUserTimeout is not there on this system.
func SetUserTimeout(syscall.RawConn, time.Duration) error { return errors.ErrUnsupported }

// Queue is empty: this system has no error queue.
func Queue(syscall.RawConn) []*evidence.ICMP { return nil }

// ErrnoName is the errno's name as evidence has it.
func ErrnoName(e syscall.Errno) evidence.Errno { return evidence.Errno(sys.ErrnoName(e)) }
