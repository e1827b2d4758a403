package sys

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IOURingSetup opens an io_uring of one entry and closes it: whether this
// process may have one (io_uring_setup(2)).
func IOURingSetup() syscall.Errno {
	var params [120]byte // struct io_uring_params, linux/io_uring.h
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno == 0 {
		Close(int(fd))
	}
	return errno
}

// LandlockABI is the version of Landlock that this kernel speaks
// (landlock_create_ruleset(2)); from 4 on it can restrict TCP.
func LandlockABI() (version int, errno syscall.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return int(r), errno
}

// LoadRawTracepoint loads a program for raw tracepoints that does nothing, and
// unloads it again without attaching it (bpf(2), BPF_PROG_LOAD): whether this
// process may load programs that watch kernel events.
func LoadRawTracepoint() syscall.Errno {
	instructions := []byte{
		0xb7, 0, 0, 0, 0, 0, 0, 0, // r0 = 0
		0x95, 0, 0, 0, 0, 0, 0, 0, // exit
	}
	license := []byte("GPL\x00")
	var attr struct { // union bpf_attr, linux/bpf.h, up to prog_flags
		progType, count uint32
		insns, license  uint64
		logLevel, size  uint32
		log             uint64
		kernel, flags   uint32
	}
	var pinned runtime.Pinner // the kernel follows these addresses, which the runtime cannot see
	defer pinned.Unpin()
	pinned.Pin(&instructions[0])
	pinned.Pin(&license[0])
	attr.progType, attr.count = unix.BPF_PROG_TYPE_RAW_TRACEPOINT, uint32(len(instructions)/8)
	attr.insns = uint64(uintptr(unsafe.Pointer(&instructions[0])))
	attr.license = uint64(uintptr(unsafe.Pointer(&license[0])))
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno == 0 {
		Close(int(fd))
	}
	return errno
}
