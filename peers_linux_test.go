package dialscope

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// hold keeps a connection until its peer ends it.
func hold(c *net.TCPConn) { c.Read(make([]byte, 1)) }

// closedPort is a loopback port at which nothing listens, and which stays that
// way: a socket is bound to it that does not listen.
func closedPort(t testing.TB, ip string) netip.AddrPort {
	t.Helper()
	a := netip.MustParseAddr(ip)
	fd, port := boundSocket(t, a, 0)
	t.Cleanup(func() { syscall.Close(fd) })
	return netip.AddrPortFrom(a, port)
}

// silent is a loopback port that answers no SYN: its accept queue is full, and
// nobody accepts (listen(2)). port 0 takes any.
func silent(t testing.TB, ip string, port uint16) netip.AddrPort {
	t.Helper()
	a := netip.MustParseAddr(ip)
	fd, port := boundSocket(t, a, port)
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	to := netip.AddrPortFrom(a, port)
	// A backlog of 0 holds one connection (sk_acceptq_is_full); one more may
	// be acknowledged by a SYN-ACK and is then not taken.
	for range 2 {
		c, err := net.DialTimeout("tcp", to.String(), 50e6)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return to
}

func boundSocket(t testing.TB, a netip.Addr, port uint16) (fd int, _ uint16) {
	t.Helper()
	family, sa := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)})
	if a.Is4() {
		sa.(*syscall.SockaddrInet4).Addr = a.As4()
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: a.As16(), Port: int(port)}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, sa); err != nil {
		syscall.Close(fd)
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch b := bound.(type) {
	case *syscall.SockaddrInet4:
		port = uint16(b.Port)
	case *syscall.SockaddrInet6:
		port = uint16(b.Port)
	}
	return fd, port
}

// zone is a name server on loopback that knows these names; a name without
// addresses exists and has none, one that is not listed is NXDOMAIN. The
// family "AAAA delayed" waits until release is closed.
type zone struct {
	addr    netip.AddrPort
	names   map[string][]netip.Addr
	rcode   dnsmessage.RCode
	mute    bool
	holdFor dnsmessage.Type // answers of this type wait for release
	release chan struct{}
	https   *dnsmessage.SVCBResource // for every name that is known
}

func serveZone(t testing.TB, z *zone) *zone {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	z.addr = c.LocalAddr().(*net.UDPAddr).AddrPort()
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 || z.mute {
				continue
			}
			running.Go(func() {
				if z.holdFor != 0 && m.Questions[0].Type == z.holdFor {
					select {
					case <-z.release:
					case <-done:
						return
					}
				}
				if packet, err := z.answer(&m).Pack(); err == nil {
					c.WriteToUDPAddrPort(packet, from)
				}
			})
		}
	})
	t.Cleanup(func() {
		close(done)
		c.Close()
		running.Wait()
	})
	return z
}

func (z *zone) answer(m *dnsmessage.Message) *dnsmessage.Message {
	q := m.Questions[0]
	out := &dnsmessage.Message{Questions: m.Questions}
	out.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true, RCode: z.rcode}
	if z.https != nil && q.Type == dnsmessage.TypeHTTPS {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
		out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.HTTPSResource{SVCBResource: *z.https}})
		return out
	}
	addrs, known := z.names[strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")]
	if !known && z.rcode == 0 {
		out.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out.Answers = append(out.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return out
}

func addrs(list ...string) []netip.Addr {
	out := make([]netip.Addr, len(list))
	for i, s := range list {
		out[i] = netip.MustParseAddr(s)
	}
	return out
}
