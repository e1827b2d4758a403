package sys

import (
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// newRing gives a ring to this thread; a kernel without it ends the test.
func newRing(t *testing.T) *Ring {
	t.Helper()
	runtime.LockOSThread()
	r, errno := NewRing(8, 16)
	if errno != 0 {
		t.Skipf("io_uring: %v", errno)
	}
	t.Cleanup(func() { r.Close(); runtime.UnlockOSThread() })
	return r
}

// completion waits for the one that comes next.
func completion(t *testing.T, r *Ring) Completion {
	t.Helper()
	var c [4]Completion
	for range 100 {
		if errno := r.Enter(100 * time.Millisecond); errno != 0 {
			t.Fatal(errno)
		}
		switch n := r.Completed(c[:]); n {
		case 0:
		case 1:
			return c[0]
		default:
			t.Fatalf("%d completions: %v", n, c[:n])
		}
	}
	t.Fatal("nothing completed")
	return Completion{}
}

func tcp4(t *testing.T) int32 {
	t.Helper()
	fd, errno := Socket(AFInet, SockStream, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	return int32(fd)
}

// refusing is a loopback port that nobody listens on.
func refusing(t *testing.T) (to Sockaddr) {
	t.Helper()
	fd := int(tcp4(t))
	t.Cleanup(func() { Close(fd) })
	to.Set(AFInet, netip.MustParseAddrPort("127.0.0.1:0"), 0)
	if errno := Bind(fd, &to); errno != 0 {
		t.Fatal(errno)
	}
	if errno := Getsockname(fd, &to); errno != 0 {
		t.Fatal(errno)
	}
	return to
}

func TestRingConnect(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRing(t)
	open, closed := new(Sockaddr), refusing(t)
	open.Set(AFInet, l.Addr().(*net.TCPAddr).AddrPort(), 0)
	for data, c := range map[uint64]struct {
		to   *Sockaddr
		want syscall.Errno
	}{7: {open, 0}, 8: {&closed, syscall.ECONNREFUSED}} {
		fd := tcp4(t)
		r.Connect(fd, false, c.to, data)
		if got := completion(t, r); got.Data != data || syscall.Errno(-got.Res) != c.want {
			t.Errorf("%+v, want %v", got, c.want)
		}
		Close(int(fd))
	}
}

// A socket in the ring's table is none of the process's, until it is installed.
func TestRingFiles(t *testing.T) {
	r := newRing(t)
	if errno := r.Files(4); errno != 0 {
		t.Fatal(errno)
	}
	fd := tcp4(t)
	if errno := r.File(2, fd); errno != 0 {
		t.Fatal(errno)
	}
	Close(int(fd))
	to := refusing(t)
	r.Connect(2, true, &to, 1)
	if c := completion(t, r); syscall.Errno(-c.Res) != syscall.ECONNREFUSED {
		t.Errorf("%+v", c)
	}
	r.Install(2, 9)
	c := completion(t, r)
	if c.Data != 9 || c.Res < 0 {
		t.Fatalf("%+v", c)
	}
	var info TCPInfo
	if errno := GetTCPInfo(int(c.Res), &info); errno != 0 || info.State != TCPClose || info.Segs_in != 1 {
		t.Errorf("%v: %+v", errno, info)
	}
	Close(int(c.Res))
	if errno := r.File(2, -1); errno != 0 {
		t.Fatal(errno)
	}
	r.Connect(2, true, &to, 3)
	if c := completion(t, r); syscall.Errno(-c.Res) != syscall.EBADF {
		t.Errorf("an empty place: %+v", c)
	}
}

// What waits is cancelled by its data; where there is nothing, that is said.
func TestRingCancel(t *testing.T) {
	r := newRing(t)
	fd := tcp4(t)
	defer Close(int(fd))
	if errno := Listen(int(fd), 1); errno != 0 {
		t.Fatal(errno)
	}
	r.Poll(fd, false, 1, 5) // POLLIN: nobody connects
	if errno := r.Enter(0); errno != 0 {
		t.Fatal(errno)
	}
	r.Cancel(5, 6)
	c := completion(t, r)
	if c.Data != 5 || syscall.Errno(-c.Res) != syscall.ECANCELED {
		t.Errorf("%+v", c)
	}
	r.Cancel(77, 6)
	if c := completion(t, r); c.Data != 6 || syscall.Errno(-c.Res) != syscall.ENOENT {
		t.Errorf("nothing to cancel: %+v", c)
	}
}

// More than the queue holds is submitted on the way.
func TestRingOverfull(t *testing.T) {
	r := newRing(t)
	const many = 40
	for i := range uint64(many) {
		r.Cancel(1000+i, i)
	}
	seen := map[uint64]bool{}
	var c [16]Completion
	for range 100 {
		if errno := r.Enter(10 * time.Millisecond); errno != 0 {
			t.Fatal(errno)
		}
		for _, c := range c[:r.Completed(c[:])] {
			seen[c.Data] = true
		}
		if len(seen) == many {
			return
		}
	}
	t.Errorf("%d of %d completions", len(seen), many)
}
