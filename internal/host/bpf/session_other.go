//go:build !linux || !(amd64 || arm64)

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

var errNotHere = fmt.Errorf("kernel events are read on linux/amd64 and linux/arm64, not on %s/%s: %w",
	runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

// Session is a set of programs that listen. There is none on this system.
type Session struct{}

// Open always fails on this system.
func Open(Options) (*Session, error) { return nil, errNotHere }

// Permitted says whether and why not this process may listen.
func Permitted() error { return errNotHere }

// ThisNetwork is the inode of the caller's network namespace.
func ThisNetwork() (uint32, error) { return 0, errNotHere }

// Read waits for the next event.
func (*Session) Read(*Event) error { return errNotHere }

// SetDeadline bounds Read.
func (*Session) SetDeadline(time.Time) {}

// Follow adds a remote place.
func (*Session) Follow(uint32, netip.AddrPort) error { return errNotHere }

// Unfollow removes it.
func (*Session) Unfollow(uint32, netip.AddrPort) error { return errNotHere }

// FollowTask adds a process.
func (*Session) FollowTask(int) error { return errNotHere }

// Lost counts the events that found the ring full.
func (*Session) Lost() (uint64, error) { return 0, errNotHere }

// Missed counts the events for which a program was not run.
func (*Session) Missed() (uint64, error) { return 0, errNotHere }

// Sources says what is heard.
func (*Session) Sources() []Source { return nil }

// Symbol names the function that an address lies in.
func (*Session) Symbol(uint64) string { return "" }

// Close detaches the programs.
func (*Session) Close() error { return nil }
