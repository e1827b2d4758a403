package sys

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// An epoll descriptor sits in the runtime's poller, and wakes its reader when
// one of its own sockets is ready.
func TestEpollInTheRuntimesPoller(t *testing.T) {
	epfd, errno := EpollCreate()
	if errno != 0 {
		t.Fatal(errno)
	}
	file := os.NewFile(uintptr(epfd), "epoll")
	defer file.Close()
	rc, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	if errno := EpollAdd(epfd, pair[0], true); errno != 0 {
		t.Fatal(errno)
	}
	var ready [4]int32
	file.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if err := rc.Read(func(uintptr) bool { return EpollReady(epfd, ready[:]) > 0 }); !os.IsTimeout(err) {
		t.Errorf("nothing was written, and the wait ended with %v", err)
	}
	file.SetReadDeadline(time.Now().Add(10 * time.Second))
	go syscall.Write(pair[1], []byte("x"))
	n := 0
	if err := rc.Read(func(uintptr) bool { n = EpollReady(epfd, ready[:]); return n > 0 }); err != nil || n != 1 || int(ready[0]) != pair[0] {
		t.Errorf("%v: %d ready, %v", err, n, ready)
	}
	EpollDelete(epfd, pair[0])
	if n := EpollReady(epfd, ready[:]); n != 0 {
		t.Errorf("%d ready after it was let go", n)
	}
	// The other interest: a socket that can be written to.
	if errno := EpollAdd(epfd, pair[0], false); errno != 0 || EpollReady(epfd, ready[:]) != 1 {
		t.Errorf("not writable: %v", errno)
	}
}

func TestAbortOnCloseSendsRST(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	var sa Sockaddr
	sa.Set(AFInet, l.Addr().(*net.TCPAddr).AddrPort(), 0)
	if errno := Connect(fd, &sa); errno != 0 && errno != syscall.EINPROGRESS {
		t.Fatal(errno)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if errno := AbortOnClose(fd); errno != 0 {
		t.Fatal(errno)
	}
	Close(fd)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
}
