package cli

import (
	"net"
	"os"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// silentCommand is "silent NAME": a listener whose accept queue is full, so
// that every SYN is dropped without a word (listen(2); tcp_conn_request).
func silentCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, 1, "silent NAME")
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	ts.Check(err)
	p := peersOf(ts)
	p.closers = append(p.closers, func() { syscall.Close(fd) })
	ts.Check(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	ts.Check(syscall.Listen(fd, 0)) // room for one connection
	name, err := syscall.Getsockname(fd)
	ts.Check(err)
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	conn, err := net.Dial("tcp", addr.String())
	ts.Check(err)
	p.closers = append(p.closers, func() { conn.Close() })
	setAddr(ts, args[0], addr)
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o644) }
