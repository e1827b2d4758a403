// Package capture reads the packets that pass this host's interfaces
// (AF_PACKET, packet(7)), as many as a kernel filter lets through.
//
// A [Capture] serves two users. One dial wants a few packets and must not pay
// for them: its packets wait in the socket's own queue, and opening it takes
// some 0.1 ms. Whoever watches an interface wants many: they come through a ring
// of shared memory (TPACKET_V3), in batches.
//
// Frames are cooked: what precedes the IP header is taken away by the kernel, so
// that one filter and one reader serve every kind of link. Interface, direction,
// hardware address and VLAN stand beside the octets. On the loopback interface
// every packet passes twice, out and in; only the second is given.
//
// It needs CAP_NET_RAW in the network namespace. On other systems than Linux Open
// fails with an error that wraps errors.ErrUnsupported.
package capture

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrNoPrivilege is wrapped by the error of [Open] where CAP_NET_RAW is missing.
var ErrNoPrivilege = errors.New("a packet socket needs CAP_NET_RAW")

// LinkType is the number that capture files give to frames such as these: raw
// IP, of either version (LINKTYPE_RAW).
const LinkType = 101

// Config says what to capture.
type Config struct {
	Interface string // empty: every one
	Filter    Filter // empty: all of IP
	// Snap is how many octets of a frame are kept at most, from its IP header on. 0: all
	// of them with a ring, and 256 without.
	Snap int
	// Ring is the size of the ring in octets, rounded up to whole blocks of
	// 256 KiB; to open it waits for the kernel, some 10 ms. 0: no ring, and at most
	// 256 octets of a frame.
	Ring int
}

// Direction is which way a frame passed the interface.
type Direction uint8

// The directions (packet(7), sll_pkttype).
const (
	In        Direction = iota // for this host
	Broadcast                  // for all
	Multicast                  // for a group
	Other                      // for another host: seen on a promiscuous interface
	Out                        // by this host
)

func (d Direction) String() string {
	switch d {
	case In:
		return "in"
	case Broadcast:
		return "broadcast"
	case Multicast:
		return "multicast"
	case Other:
		return "other"
	case Out:
		return "out"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}

// Checksum is what the kernel knows of the transport checksum of a frame.
type Checksum uint8

// What can be known (packet(7), PACKET_AUXDATA; TP_STATUS_CSUMNOTREADY,
// TP_STATUS_CSUM_VALID).
const (
	Unchecked Checksum = iota // whoever wants to know computes it
	Absent                    // it was left to hardware, and is not there: own packets, and those of virtual links
	Valid                     // hardware or the kernel has found it right
)

// Frame is one captured packet. Its octets are valid until the capture is read
// again.
type Frame struct {
	At        time.Time // without a monotonic reading
	Interface int       // index
	Direction Direction
	Loopback  bool
	Ethertype uint16           // 0x0800, 0x86dd: what Data holds
	Hardware  net.HardwareAddr // the sender's, where the link has addresses; it shares memory as Data does
	Checksum  Checksum
	VLANs     [3]uint16 // tags, outermost first; 0: none (IEEE 802.1Q)
	Data      []byte    // from the IP header on
	Length    int       // octets that it had; Data may be shorter
}

// Stats counts frames that the filter let through, since the capture was opened.
type Stats struct {
	Received uint64 // those dropped included
	Dropped  uint64 // for want of room
}
