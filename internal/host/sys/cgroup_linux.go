package sys

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The attach types of programs that connect(2) runs (linux/bpf.h).
const (
	CgroupConnect4 = unix.BPF_CGROUP_INET4_CONNECT
	CgroupConnect6 = unix.BPF_CGROUP_INET6_CONNECT
)

// CgroupPrograms gives the ids of the programs of an attach type that hold for a
// cgroup, its own and those of the directories above (bpf(2), BPF_PROG_QUERY);
// 64 at most. It needs CAP_NET_ADMIN.
func CgroupPrograms(dir int, attach uint32) ([]uint32, syscall.Errno) {
	ids := new([64]uint32)
	var pins runtime.Pinner // the kernel is given the address as a number
	defer pins.Unpin()
	pins.Pin(ids)
	attr := struct { // union bpf_attr, query, up to prog_attach_flags
		target, attach, flags, attachFlags uint32
		ids                                uint64
		count, _                           uint32
		eachFlags                          uint64
	}{target: uint32(dir), attach: attach, flags: unix.BPF_F_QUERY_EFFECTIVE, ids: uint64(uintptr(unsafe.Pointer(ids))), count: uint32(len(ids))}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr)); errno != 0 {
		return nil, errno
	}
	return ids[:min(int(attr.count), len(ids))], 0
}

// DenyConnectCgroup makes connect(2) fail with EPERM for the processes of a
// cgroup, by a program that says no, until the descriptor that it returns is
// closed. It needs CAP_BPF and CAP_NET_ADMIN in the first user namespace.
func DenyConnectCgroup(dir int, attach uint32) (link int, errno syscall.Errno) {
	insns := &[2]uint64{0x00000000000000b7, 0x0000000000000095} // r0 = 0; exit
	license := &[4]byte{'M', 'I', 'T', 0}
	var pins runtime.Pinner
	defer pins.Unpin()
	pins.Pin(insns)
	pins.Pin(license)
	load := struct { // union bpf_attr, BPF_PROG_LOAD, up to expected_attach_type
		progType, insnCount uint32
		insns, license      uint64
		logLevel, logSize   uint32
		logBuf              uint64
		kernVersion, flags  uint32
		name                [16]byte
		ifindex, attach     uint32
	}{
		progType: unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, insnCount: uint32(len(insns)),
		insns: uint64(uintptr(unsafe.Pointer(insns))), license: uint64(uintptr(unsafe.Pointer(license))),
		name: [16]byte{'d', 'e', 'n', 'y'}, attach: attach,
	}
	prog, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	if errno != 0 {
		return -1, errno
	}
	defer unix.Close(int(prog))
	create := struct{ prog, target, attach, flags uint32 }{uint32(prog), uint32(dir), attach, 0} // union bpf_attr, link_create
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_CREATE, uintptr(unsafe.Pointer(&create)), unsafe.Sizeof(create))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), 0
}
