package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// perSource is how many connections one source address makes before the next
// takes over: fewer than it has ports, which TIME_WAIT keeps.
const perSource = 20_000

// stormClientMain is "ADDRESS N RESETS TURN": N short connections by blocking
// calls, one thread a processor, of which RESETS end in RST.
func stormClientMain(args []string) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	var numbers [3]int
	for i := range numbers {
		if numbers[i], err = strconv.Atoi(args[1+i]); err != nil {
			return err
		}
	}
	n, resets, turn := numbers[0], numbers[1], numbers[2]
	threads := runtime.NumCPU()
	parts := make([]stormClient, threads)
	began := time.Now()
	var all sync.WaitGroup
	for k := range threads {
		all.Go(func() {
			runtime.LockOSThread()
			mine := n / threads
			if k < n%threads {
				mine++
			}
			due := 0
			for i := range mine {
				due += resets
				reset := due >= n
				if reset {
					due -= n
				}
				source := [4]byte{127, byte(100 + k), byte(turn), byte(1 + i/perSource)}
				switch err := shortConnection(to, source, reset); {
				case err != nil:
					if parts[k].Failed++; parts[k].Failed == 1 {
						fmt.Fprintln(os.Stderr, "stormclient:", err)
					}
				case reset:
					parts[k].Reset++
				default:
					parts[k].Closed++
				}
			}
		})
	}
	all.Wait()
	sum := stormClient{Took: time.Since(began)}
	for _, p := range parts {
		sum.Closed, sum.Reset, sum.Failed = sum.Closed+p.Closed, sum.Reset+p.Reset, sum.Failed+p.Failed
	}
	return json.NewEncoder(os.Stdout).Encode(sum)
}

// bindAddressNoPort is IP_BIND_ADDRESS_NO_PORT (ip(7)): the port is chosen by
// connect(2), which knows the destination.
const bindAddressNoPort = 24

func connectFrom(to netip.AddrPort, source [4]byte) (fd int, err error) {
	if fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	for _, f := range []func() error{
		func() error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, bindAddressNoPort, 1) },
		func() error { return syscall.Bind(fd, &syscall.SockaddrInet4{Addr: source}) },
		func() error {
			return syscall.Connect(fd, &syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
		},
	} {
		if err := f(); err != nil {
			syscall.Close(fd)
			return -1, fmt.Errorf("from %v: %w", source, err)
		}
	}
	return fd, nil
}

func shortConnection(to netip.AddrPort, source [4]byte, reset bool) error {
	fd, err := connectFrom(to, source)
	if err != nil {
		return err
	}
	if reset {
		err = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	}
	syscall.Close(fd)
	return err
}

// stormHold is "ADDRESS N": N connections held until standard input ends.
func stormHold(args []string) error {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var fds []int
	for range n {
		fd, err := connectFrom(to, [4]byte{127, 99, 0, 1})
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	fmt.Println("held")
	os.Stdin.Read(make([]byte, 1))
	for _, fd := range fds {
		syscall.Close(fd)
	}
	return nil
}
