package sys

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is an io_uring (io_uring_setup(2)) for one thread: connects, polls and
// little else. The thread that makes it must be the one that uses it
// (IORING_SETUP_SINGLE_ISSUER), and completions come only within Enter
// (IORING_SETUP_DEFER_TASKRUN, Linux 6.1).
type Ring struct {
	fd             int
	sqHead, sqTail *uint32
	cqHead, cqTail *uint32
	sqes           []sqe
	cqes           []cqe
	tail           uint32 // of what is queued, behind which the kernel's is until Enter
	submitted      uint32
	maps           [][]byte

	// Arguments whose addresses the kernel is given within others; here they do
	// not move.
	fds  int32
	time unix.Timespec
}

// sqe is struct io_uring_sqe, linux/io_uring.h.
type sqe struct {
	opcode, flags  uint8
	ioprio         uint16
	fd             int32
	off, addr      uint64
	len, opFlags   uint32
	data           uint64
	bufIndex       uint16
	personality    uint16
	fileIndex      int32
	addr3, padding uint64
}

// cqe is struct io_uring_cqe.
type cqe struct {
	data  uint64
	res   int32
	flags uint32
}

// ringParams is struct io_uring_params with its two offset structs.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		userAddr                                                    uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		userAddr                                                    uint64
	}
}

// Numbers of linux/io_uring.h.
const (
	setupCQSize       = 1 << 3
	setupClamp        = 1 << 4
	setupSubmitAll    = 1 << 7
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13
	setupNoSQArray    = 1 << 16 // Linux 6.6

	offSQRing, offCQRing, offSQEs = 0, 0x8000000, 0x10000000

	featNoDrop = 1 << 1
	featExtArg = 1 << 8

	opPollAdd, opAsyncCancel, opConnect, opFixedFDInstall = 6, 14, 16, 54

	sqeFixedFile      = 1 << 0
	sqeCQESkipSuccess = 1 << 6

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	registerFilesUpdate = 6
	registerProbe       = 8
	registerFiles2      = 13
	rsrcSparse          = 1 << 0
)

// NewRing makes a ring with room for so many submissions and completions.
// ENOSYS, EPERM, EINVAL and EOPNOTSUPP say that this kernel has none that does
// what is needed here (Linux 6.8), or does not let this process have one
// (kernel.io_uring_disabled, a seccomp filter).
func NewRing(submissions, completions uint32) (*Ring, syscall.Errno) {
	p := ringParams{flags: setupCQSize | setupClamp | setupSubmitAll | setupSingleIssuer | setupDeferTaskrun | setupNoSQArray, cqEntries: completions}
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(submissions), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, errno
	}
	r := &Ring{fd: int(fd)}
	if p.features&(featNoDrop|featExtArg) != featNoDrop|featExtArg || !r.knows(opFixedFDInstall) {
		r.Close()
		return nil, syscall.EOPNOTSUPP
	}
	sq := r.mmap(offSQRing, int(p.sq.ringEntries)+64)
	cq := r.mmap(offCQRing, int(p.cq.cqes)+int(p.cqEntries)*int(unsafe.Sizeof(cqe{})))
	entries := r.mmap(offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})))
	if sq == nil || cq == nil || entries == nil {
		r.Close()
		return nil, syscall.ENOMEM
	}
	word := func(b []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
	r.sqHead, r.sqTail, r.cqHead, r.cqTail = word(sq, p.sq.head), word(sq, p.sq.tail), word(cq, p.cq.head), word(cq, p.cq.tail)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&cq[p.cq.cqes])), p.cqEntries)
	return r, 0
}

func (r *Ring) mmap(offset int64, size int) []byte {
	b, err := unix.Mmap(r.fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil
	}
	r.maps = append(r.maps, b)
	return b
}

// knows asks for an operation by number: IORING_REGISTER_PROBE.
func (r *Ring) knows(op uint8) bool {
	const ops = 64
	var p struct {
		lastOp, opsLen uint8
		_              uint16
		_              [3]uint32
		ops            [ops]struct {
			op, _ uint8
			flags uint16
			_     uint32
		}
	}
	if r.register(registerProbe, unsafe.Pointer(&p), ops) != 0 {
		return false
	}
	return p.lastOp >= op && p.ops[op].flags&1 != 0 // IO_URING_OP_SUPPORTED
}

func (r *Ring) register(what uintptr, arg unsafe.Pointer, n uintptr) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), what, uintptr(arg), n, 0, 0)
	return errno
}

// Files gives the ring an empty table of n descriptors of its own, which
// RLIMIT_NOFILE bounds but does not count (io_sqe_files_register).
func (r *Ring) Files(n int) syscall.Errno {
	arg := struct {
		nr, flags   uint32
		_           uint64
		data, tags_ uint64
	}{nr: uint32(n), flags: rsrcSparse}
	return r.register(registerFiles2, unsafe.Pointer(&arg), unsafe.Sizeof(arg))
}

// File puts a descriptor into the ring's table, or with -1 takes what is there
// out. The file stays open in the table when the descriptor is closed.
func (r *Ring) File(at, fd int32) syscall.Errno {
	r.fds = fd
	arg := struct {
		offset, _ uint32
		fds       uint64
	}{offset: uint32(at), fds: uint64(uintptr(unsafe.Pointer(&r.fds)))}
	return r.register(registerFilesUpdate, unsafe.Pointer(&arg), 1)
}

// Close ends the ring and what is in flight in it.
func (r *Ring) Close() {
	for _, m := range r.maps {
		unix.Munmap(m) //nolint:errcheck // it is mapped
	}
	Close(r.fd)
}

// next is a free entry, cleared. A full queue is submitted.
func (r *Ring) next() *sqe {
	if r.tail-atomic.LoadUint32(r.sqHead) == uint32(len(r.sqes)) {
		r.Enter(0)
	}
	e := &r.sqes[r.tail&uint32(len(r.sqes)-1)]
	*e = sqe{}
	r.tail++
	return e
}

// Connect queues connect(2). The completion comes when the handshake is over,
// and has its error if there is one; reading it has cleared SO_ERROR. 0 is no
// promise of an open connection: an error in the queue alone ends the wait
// too (io_connect). fixed: fd is a place in the ring's table. The address is
// read when it is submitted.
func (r *Ring) Connect(fd int32, fixed bool, to *Sockaddr, data uint64) {
	e := r.next()
	e.opcode, e.fd, e.addr, e.off, e.data = opConnect, fd, uint64(uintptr(unsafe.Pointer(&to.raw))), uint64(to.len), data
	if fixed {
		e.flags = sqeFixedFile
	}
}

// Poll queues a single wait for the events, poll(2)'s.
func (r *Ring) Poll(fd int32, fixed bool, events uint32, data uint64) {
	e := r.next()
	e.opcode, e.fd, e.opFlags, e.data = opPollAdd, fd, events, data
	if fixed {
		e.flags = sqeFixedFile
	}
}

// Install queues giving a file of the ring's table a descriptor of the process:
// the completion's result.
func (r *Ring) Install(at int32, data uint64) {
	e := r.next()
	e.opcode, e.flags, e.fd, e.data = opFixedFDInstall, sqeFixedFile, at, data
}

// Cancel queues the end of the operation with that data; it completes with
// ECANCELED, and the cancelling itself only where there was none, with its own.
func (r *Ring) Cancel(data, own uint64) {
	e := r.next()
	e.opcode, e.flags, e.fd, e.addr, e.data = opAsyncCancel, sqeCQESkipSuccess, -1, data, own
}

// Enter submits what is queued, and with a time waits so long for a completion.
func (r *Ring) Enter(wait time.Duration) syscall.Errno {
	atomic.StoreUint32(r.sqTail, r.tail)
	n := uintptr(r.tail - r.submitted)
	var errno syscall.Errno
	if wait <= 0 {
		_, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), n, 0, enterGetEvents, 0, 0)
	} else {
		r.time = unix.NsecToTimespec(int64(wait))
		arg := struct {
			sigmask     uint64
			sigmaskSize uint32
			_           uint32
			ts          uint64
		}{ts: uint64(uintptr(unsafe.Pointer(&r.time)))}
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), n, 1, enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&arg)), unsafe.Sizeof(arg))
	}
	r.submitted = atomic.LoadUint32(r.sqHead)
	switch errno {
	case unix.ETIME, unix.EINTR, unix.EBUSY, unix.EAGAIN: // EBUSY, EAGAIN: later
		return 0
	}
	return errno
}

// Completion is what became of an operation.
type Completion struct {
	Data uint64
	Res  int32 // negative: an errno
}

// Completed takes up to len(into) completions that have come.
func (r *Ring) Completed(into []Completion) (n int) {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != tail && n < len(into); head++ {
		c := &r.cqes[head&uint32(len(r.cqes)-1)]
		into[n] = Completion{c.data, c.res}
		n++
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}
