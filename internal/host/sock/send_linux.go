package sock

import (
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// sendFlagBits are in the order of SendFlag's bits.
var sendFlagBits = [len(sendFlagNames)]int{sys.MsgDontRoute, sys.MsgDontWait, sys.MsgEOR, sys.MsgOOB, sys.MsgMore, sys.MsgNoSignal}

func send(c syscall.RawConn, b []byte, flags SendFlag) (n int, err error) {
	bits := sys.MsgNoSignal // a library never lets SIGPIPE kill its program
	for i, bit := range sendFlagBits {
		if flags&(1<<i) != 0 {
			bits |= bit
		}
	}
	var errno syscall.Errno
	err = c.Write(func(fd uintptr) bool {
		for {
			sent := 0
			sent, errno = sys.SendWith(int(fd), b[n:], bits)
			n += sent
			switch {
			case errno == syscall.EINTR:
				continue
			case errno == syscall.EAGAIN:
				return flags&DontWait != 0
			case errno != 0 || n == len(b):
				return true
			case flags&DontWait != 0:
				errno = syscall.EAGAIN
				return true
			}
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return n, err
}
