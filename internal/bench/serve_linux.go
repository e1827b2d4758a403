package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// held is how many accepted connections stay open. The client always closes
// first, so its dial never meets the end of a connection; more than are ever
// in flight, and few enough for a process's descriptors.
const held = 8192

// pause is how long the server sleeps between looks at its queue. Nobody waits
// in accept(2), so a handshake wakes nobody: where a sleeper is woken, its
// processor's answer to the interrupt would be half of what is measured. At
// the rates reached here the queue stays far below its 4096.
const pause = time.Millisecond

// serve accepts on ADDRESS:PORT for ever, by system calls alone, all that is in
// the queue at a time.
func serve(args []string) error {
	at, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return fmt.Errorf("bind %v: %w", at, err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		return err
	}
	fmt.Println("listening")

	var ring [held]int
	for i := 0; ; {
		conn, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
		case syscall.EAGAIN:
			time.Sleep(pause)
			continue
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if old := ring[i]; old != 0 {
			syscall.Close(old)
		}
		ring[i] = conn
		i = (i + 1) % held
	}
}
