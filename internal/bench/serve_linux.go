package main

import (
	"fmt"
	"net/netip"
	"syscall"
)

// held is how many accepted connections stay open. The client always closes
// first, so its dial never meets the end of a connection; more than are ever
// in flight, and few enough for a process's descriptors.
const held = 8192

// serve accepts on ADDRESS:PORT for ever: one thread, system calls alone, the
// least that it can take from those who are measured.
func serve(args []string) error {
	at, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
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
	for i := 0; ; i = (i + 1) % held {
		conn, _, err := syscall.Accept4(fd, syscall.SOCK_CLOEXEC)
		switch err {
		case nil:
		case syscall.EINTR, syscall.ECONNABORTED:
			continue
		default:
			return fmt.Errorf("accept: %w", err)
		}
		if old := ring[i]; old != 0 {
			syscall.Close(old)
		}
		ring[i] = conn
	}
}
