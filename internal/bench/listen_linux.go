package main

import (
	"io"
	"net"
)

// listenHere accepts in this process: a program that serves as well as dials.
// Its goroutines wait in the runtime's poller, which is then rarely free to
// notice a dial's end by itself.
func listenHere() (address string, stop func() error, err error) {
	l, err := net.Listen("tcp", lo+":0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().String(), l.Close, nil
}
