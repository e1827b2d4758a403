package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// TUNPath is the device from which TUN interfaces are made
// (Documentation/networking/tuntap.rst).
const TUNPath = "/dev/net/tun"

// OpenTUN makes a TUN interface in the network namespace of the calling thread
// and returns the descriptor that holds it, non-blocking, and the name that it
// got: name itself, or one that the kernel chose where name is empty or has a
// %d. Each read gives one IP packet and each write takes one, without a header
// before it (IFF_NO_PI). The interface is gone when the descriptor is closed.
// It needs CAP_NET_ADMIN.
func OpenTUN(name string) (fd int, ifname string, err error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return -1, "", os.NewSyscallError("interface name", err)
	}
	fd, err = unix.Open(TUNPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, "", &os.PathError{Op: "open", Path: TUNPath, Err: err}
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		unix.Close(fd)
		return -1, "", os.NewSyscallError("ioctl(TUNSETIFF)", err)
	}
	return fd, ifr.Name(), nil
}
