package tun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// Up brings the interface up with these addresses, which are the kernel's own,
// and usable when Up returns. Their prefix lengths make routes as on any link:
// 192.0.2.2/24 sends all of 192.0.2.0/24 to the Device. No duplicate address
// detection is done, and no multicast is sent: what is read is what was asked for.
func (d *Device) Up(addrs ...netip.Prefix) error {
	if err := d.setFlags(syscall.IFF_UP, syscall.IFF_UP|syscall.IFF_MULTICAST); err != nil {
		return fmt.Errorf("tun %s: up: %w", d.name, err)
	}
	for _, a := range addrs {
		if err := d.addAddr(a); err != nil {
			return fmt.Errorf("tun %s: address %s: %w", d.name, a, err)
		}
	}
	for _, a := range addrs {
		if err := d.awaitLocal(a.Addr()); err != nil {
			return fmt.Errorf("tun %s: address %s: %w", d.name, a, err)
		}
	}
	return nil
}

const (
	// readyTimeout is how long the kernel may take over work that it does
	// within a millisecond on an idle machine.
	readyTimeout = 10 * time.Second
	readyPause   = 100 * time.Microsecond
)

// awaitLocal returns when packets to the address are the kernel's own. The
// route that says so is inserted by a work queue for IPv6 (addrconf_dad_work);
// what came before it would be dropped.
func (d *Device) awaitLocal(a netip.Addr) error {
	question := []byte{family(a), byte(a.BitLen()), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // struct rtmsg
	question = appendAttr(question, syscall.RTA_DST, a.AsSlice())
	for began := time.Now(); time.Since(began) < readyTimeout; time.Sleep(readyPause) {
		local := false
		err := d.ask(syscall.RTM_GETROUTE, 0, question, func(payload []byte) {
			const rtmType = 7 // struct rtmsg
			local = len(payload) > rtmType && payload[rtmType] == syscall.RTN_LOCAL
		})
		if err != nil && !errors.Is(err, syscall.ENETUNREACH) {
			return err
		}
		if local {
			return nil
		}
	}
	return os.ErrDeadlineExceeded
}

// Down takes the interface down. It loses its routes and its IPv6 addresses;
// what is written to it fails with EIO.
func (d *Device) Down() error {
	if err := d.setFlags(0, syscall.IFF_UP); err != nil {
		return fmt.Errorf("tun %s: down: %w", d.name, err)
	}
	return nil
}

// Route sends packets for these destinations to the Device.
func (d *Device) Route(destinations ...netip.Prefix) error {
	for _, p := range destinations {
		if err := d.addRoute(p.Masked()); err != nil {
			return fmt.Errorf("tun %s: route %s: %w", d.name, p, err)
		}
	}
	return nil
}

// SetMTU sets the largest packet, in octets. IPv6 needs 1280 (RFC 8200 §5) and
// is switched off below.
func (d *Device) SetMTU(octets int) error {
	m := linkMessage(d.index, 0, 0)
	m = appendAttr(m, syscall.IFLA_MTU, word(uint32(octets)))
	if err := d.change(syscall.RTM_NEWLINK, 0, m); err != nil {
		return fmt.Errorf("tun %s: MTU %d: %w", d.name, octets, err)
	}
	return nil
}

func (d *Device) setFlags(flags, mask uint32) error {
	return d.change(syscall.RTM_NEWLINK, 0, linkMessage(d.index, flags, mask))
}

func (d *Device) addAddr(p netip.Prefix) error {
	const noDAD = 0x02 // IFA_F_NODAD, linux/if_addr.h
	m := []byte{family(p.Addr()), byte(p.Bits()), noDAD, syscall.RT_SCOPE_UNIVERSE}
	m = append(m, word(uint32(d.index))...) // struct ifaddrmsg
	m = appendAttr(m, syscall.IFA_LOCAL, p.Addr().AsSlice())
	m = appendAttr(m, syscall.IFA_ADDRESS, p.Addr().AsSlice())
	return d.change(syscall.RTM_NEWADDR, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, m)
}

func (d *Device) addRoute(p netip.Prefix) error {
	m := []byte{ // struct rtmsg
		family(p.Addr()), byte(p.Bits()), 0, 0,
		syscall.RT_TABLE_MAIN, syscall.RTPROT_STATIC, syscall.RT_SCOPE_LINK, syscall.RTN_UNICAST,
		0, 0, 0, 0,
	}
	m = appendAttr(m, syscall.RTA_DST, p.Addr().AsSlice())
	m = appendAttr(m, syscall.RTA_OIF, word(uint32(d.index)))
	return d.change(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_EXCL, m)
}

// change makes one change with rtnetlink(7) and returns the kernel's errno.
func (d *Device) change(typ, flags uint16, body []byte) error {
	return d.ask(typ, flags|syscall.NLM_F_ACK, body, func([]byte) {})
}

func (d *Device) ask(typ, flags uint16, body []byte, answer func(payload []byte)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rt == nil {
		return os.ErrClosed
	}
	return d.rt.Ask(typ, flags, body, func(_ uint16, payload []byte) bool {
		answer(payload)
		return true
	})
}

// linkMessage is a struct ifinfomsg.
func linkMessage(index int, flags, change uint32) []byte {
	m := make([]byte, 4, syscall.SizeofIfInfomsg)
	m = append(m, word(uint32(index))...)
	m = append(m, word(flags)...)
	return append(m, word(change)...)
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// appendAttr adds a struct rtattr, padded to four octets.
func appendAttr(b []byte, typ uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
