package peer_test

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// An ICMP error between the end of the handshake and the question for SO_ERROR
// makes an open connection look failed: getsockopt(SO_ERROR) takes sk_err_soft
// where there is no sk_err (net/core/sock.c, sk_getsockopt). The peer's next
// acknowledgement would clear it (tcp_ack).
func TestSoftErrorLooksLikeAFailedConnect(t *testing.T) {
	t.Parallel()
	s := perform(t, host+`
		expect SYN port 80
		send SYN+ACK mss 1460
		expect ACK
		send icmp host-unreachable
		send icmp echo-request data "ping"   # its answer shows that the error was dealt with
		expect icmp echo-reply
		end`)
	var fd int
	err := s.host.Do(func() (err error) {
		fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	to := &syscall.SockaddrInet4{Port: 80, Addr: [4]byte{192, 0, 2, 1}}
	if err := syscall.Connect(fd, to); !errors.Is(err, syscall.EINPROGRESS) {
		t.Fatal(os.NewSyscallError("connect", err))
	}
	s.played()
	for _, want := range []syscall.Errno{syscall.EHOSTUNREACH, 0} { // reading it clears it
		got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err != nil || syscall.Errno(got) != want {
			t.Errorf("SO_ERROR %v, %v, want %v", syscall.Errno(got), err, want)
		}
	}
	if _, err := syscall.Getpeername(fd); err != nil {
		t.Errorf("getpeername: %v", err)
	}
	if n, err := syscall.Write(fd, []byte("open all the same")); n != 17 {
		t.Errorf("write: %d, %v", n, err)
	}
}
