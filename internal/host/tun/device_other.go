//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

var errNoTUN = fmt.Errorf("TUN interfaces on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Device is the program's end of a TUN interface. It exists on Linux only.
type Device struct{}

// Open fails: this package makes no TUN interfaces on this system.
func Open(string) (*Device, error) { return nil, errNoTUN }

// Supported says why there are none here.
func Supported() error { return errNoTUN }

// Name is empty.
func (*Device) Name() string { return "" }

// Up fails.
func (*Device) Up(...netip.Prefix) error { return errNoTUN }

// Down fails.
func (*Device) Down() error { return errNoTUN }

// Route fails.
func (*Device) Route(...netip.Prefix) error { return errNoTUN }

// SetMTU fails.
func (*Device) SetMTU(int) error { return errNoTUN }

// Read fails.
func (*Device) Read([]byte) (int, error) { return 0, errNoTUN }

// Write fails.
func (*Device) Write([]byte) (int, error) { return 0, errNoTUN }

// SetReadDeadline fails.
func (*Device) SetReadDeadline(time.Time) error { return errNoTUN }

// Close does nothing.
func (*Device) Close() error { return nil }
