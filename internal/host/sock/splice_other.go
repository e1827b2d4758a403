//go:build !linux

package sock

import (
	"errors"
	"os"
	"syscall"
)

// Pipe is a pipe that octets of a connection come from or go to. Only Linux has
// splice(2).
type Pipe struct{}

// PipeOf is nil here: the octets are copied.
func PipeOf(*os.File) *Pipe { return nil }

// AwaitInput waits for nothing here.
func (p *Pipe) AwaitInput() error { return errors.ErrUnsupported }

// AwaitRoom waits for nothing here.
func (p *Pipe) AwaitRoom() error { return errors.ErrUnsupported }

// To moves nothing here.
func (p *Pipe) To(syscall.RawConn) (int, Spliced, error) { return 0, SpliceEnd, errors.ErrUnsupported }

// From moves nothing here.
func (p *Pipe) From(syscall.RawConn) (int, Spliced, error) {
	return 0, SpliceEnd, errors.ErrUnsupported
}
