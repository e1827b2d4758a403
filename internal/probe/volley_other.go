//go:build !linux

package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// volley needs the error queue, which only Linux has.
type volley struct{ *round }

func open(*round, Way, int) (*volley, error) {
	return nil, fmt.Errorf("probes need a socket's error queue: %w", errors.ErrUnsupported)
}

func (*volley) close()                                            {}
func (*volley) idle() bool                                        { return true }
func (*volley) send(shot) *evidence.Probe                         { return nil }
func (*volley) release(*evidence.Probe)                           {}
func (*volley) wait(context.Context, time.Time, func() bool) bool { return true }
