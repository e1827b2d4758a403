//go:build !linux

package netlink

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/dialscope/dialscope/evidence"
)

func unsupported(what string) error {
	return fmt.Errorf("%s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

// RouteTo needs Linux.
func RouteTo(Query) (*evidence.Route, error) { return nil, unsupported("route look-up") }

// LinkByName needs Linux.
func LinkByName(string) (*evidence.Link, error) { return nil, unsupported("link look-up") }

// LinkByIndex needs Linux.
func LinkByIndex(int) (*evidence.Link, error) { return nil, unsupported("link look-up") }

// NeighbourOf needs Linux.
func NeighbourOf(netip.Addr, int, bool) (*evidence.Neighbour, error) {
	return nil, unsupported("neighbour look-up")
}

// Address needs Linux.
func Address(netip.Addr) (*evidence.HostAddr, error) { return nil, unsupported("address look-up") }

// ListenerAt needs Linux.
func ListenerAt(netip.AddrPort) (*evidence.Listener, error) {
	return nil, unsupported("listener look-up")
}

// ListenerSocket needs Linux.
func ListenerSocket(netip.AddrPort) (*evidence.Listener, error) {
	return nil, unsupported("listener look-up")
}

// PortsToward needs Linux.
func PortsToward(netip.Addr, netip.AddrPort) (*evidence.Ports, error) {
	return nil, unsupported("count of ports in use")
}

// HolderOf needs Linux.
func HolderOf(netip.AddrPort) (*evidence.Holder, error) {
	return nil, unsupported("look-up of a port's holder")
}

// PortsWithin needs Linux.
func PortsWithin(netip.Addr, netip.AddrPort, string, uint16, uint16) (*evidence.Ports, error) {
	return nil, unsupported("count of ports in use")
}

// UDPHolderOf needs Linux.
func UDPHolderOf(netip.AddrPort) (*evidence.Holder, error) {
	return nil, unsupported("look-up of a port's holder")
}

// TakeCounters needs Linux.
func TakeCounters(string) (*Snapshot, error) { return nil, unsupported("counters") }

// NeighbourTablesOf needs Linux.
func NeighbourTablesOf() (*NeighbourTables, error) { return nil, unsupported("neighbour tables") }
