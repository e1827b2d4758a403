package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// procNet is the calling thread's network namespace; /proc/net would be that of
// the process's first thread (proc(5)).
const procNet = "/proc/thread-self/net/"

var counterBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// TakeCounters reads the counters of the calling thread's network namespace
// and of one of its interfaces ("": none). What cannot be read is left out of
// the snapshot; an error means that nothing could be read.
func TakeCounters(ifname string) (*Snapshot, error) {
	s := new(Snapshot)
	buf := counterBuffers.Get().(*[32 << 10]byte)
	defer counterBuffers.Put(buf)
	var errs []error
	read := func(name string, parse func([]byte)) {
		content, err := readWhole(procNet+name, buf[:])
		if err != nil {
			errs = append(errs, err)
			return
		}
		parse(content)
	}
	read("snmp", func(b []byte) { readTable(b, &s.netns) })
	read("netstat", func(b []byte) { readTable(b, &s.netns) })
	if len(errs) == 2 {
		return nil, fmt.Errorf("counters: %w", errors.Join(errs...))
	}
	read("snmp6", func(b []byte) { readList(b, &s.netns) })               // absent without IPv6
	read("stat/nf_conntrack", func(b []byte) { readPerCPU(b, &s.track) }) // absent without its module
	if ifname != "" {
		s.linkName = ifname
		if err := s.readLink(ifname); err != nil {
			return nil, fmt.Errorf("counters of %s: %w", ifname, err)
		}
	}
	return s, nil
}

// readWhole reads a file of /proc by plain system calls: package os would
// first offer each descriptor to the poller.
func readWhole(path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	n := 0
	for n < len(buf) {
		r, err := syscall.Read(fd, buf[n:])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case r == 0:
			return buf[:n], nil
		default:
			n += r
		}
	}
	return nil, &os.PathError{Op: "read", Path: path, Err: syscall.EFBIG}
}

// linkCounterAt gives each of linkCounterNames its place in struct
// rtnl_link_stats64 (linux/if_link.h), counted in 64-bit words.
var linkCounterAt = [len(linkCounterNames)]int{0, 1, 4, 5, 6, 7, 17}

func (s *Snapshot) readLink(ifname string) error {
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Ask(syscall.RTM_GETLINK, 0, linkRequest(0, ifname), func(_ uint16, payload []byte) bool {
		var link evidence.Link
		if !parseLink(payload, &link) {
			return false
		}
		s.linkIndex = link.Index
		for typ, v := range attrs(payload[syscall.SizeofIfInfomsg:]) {
			if typ != iflaStats64 {
				continue
			}
			for i, at := range linkCounterAt {
				if len(v) >= 8*at+8 {
					s.link[i] = reading{binary.NativeEndian.Uint64(v[8*at:]), true}
				}
			}
		}
		return false
	})
	if noSuchLink(err, ifname) {
		return nil
	}
	return err
}
