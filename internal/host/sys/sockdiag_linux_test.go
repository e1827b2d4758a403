package sys

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

func TestSocketsFindsListener(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := l.Addr().(*net.TCPAddr).AddrPort()
	c, err := OpenSockDiag()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var found []DiagSocket
	q := SockQuery{Protocol: syscall.IPPROTO_TCP, Family: syscall.AF_INET, States: 1 << StateListen, LocalPort: want.Port()}
	if err := c.Sockets(q, func(s *DiagSocket) bool { found = append(found, *s); return true }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Local != want || found[0].State != StateListen || found[0].Inode == 0 || found[0].SendQ == 0 {
		t.Errorf("%+v, want one listener at %v", found, want)
	}
	found = nil
	q.LocalPort, q.States = 0, AnyState
	q.Remote, q.RemotePort = netip.MustParseAddr("127.0.0.1"), want.Port()
	conn, err := net.Dial("tcp4", want.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := c.Sockets(q, func(s *DiagSocket) bool { found = append(found, *s); return true }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Local.String() != conn.LocalAddr().String() || found[0].Remote != want {
		t.Errorf("%+v, want the one connection to %v", found, want)
	}
	q.Remote = netip.MustParseAddr("127.0.0.2")
	err = c.Sockets(q, func(s *DiagSocket) bool { t.Errorf("unwanted %+v", *s); return true })
	if err != nil {
		t.Error(err)
	}
}

func TestAskGivesTheKernelsErrno(t *testing.T) {
	c, err := OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	index := make([]byte, syscall.SizeofIfInfomsg)
	index[4], index[5], index[6] = 0xff, 0xff, 0x7f
	err = c.Ask(syscall.RTM_GETLINK, 0, index, func(uint16, []byte) bool { return false })
	if err != syscall.ENODEV {
		t.Errorf("no such interface: %v", err)
	}
	// The socket takes the next question, and answers it.
	answers := 0
	err = c.Ask(syscall.RTM_GETLINK, syscall.NLM_F_DUMP, make([]byte, syscall.SizeofIfInfomsg),
		func(uint16, []byte) bool { answers++; return true })
	if err != nil || answers == 0 {
		t.Errorf("dump after an error: %d messages, %v", answers, err)
	}
}

// After an unfinished dump, what is left of it is not taken for the next answer.
func TestAskSkipsTheRestOfAnEarlierAnswer(t *testing.T) {
	c, err := OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ask(syscall.RTM_GETADDR, syscall.NLM_F_DUMP, make([]byte, syscall.SizeofIfAddrmsg),
		func(uint16, []byte) bool { return false }); err != nil {
		t.Fatal(err)
	}
	lo := make([]byte, syscall.SizeofIfInfomsg)
	lo[4] = 1
	var types []uint16
	err = c.Ask(syscall.RTM_GETLINK, 0, lo, func(typ uint16, _ []byte) bool { types = append(types, typ); return true })
	if err != nil || len(types) != 1 || types[0] != syscall.RTM_NEWLINK {
		t.Errorf("messages %v, %v", types, err)
	}
}

func TestOpenNetlinkUnknownProtocol(t *testing.T) {
	c, err := OpenNetlink(31)
	if err == nil {
		c.Close()
		t.Fatal("netlink protocol 31 was opened")
	}
	if !errors.Is(err, syscall.EPROTONOSUPPORT) {
		t.Error(err)
	}
}

func FuzzDiagSocket(f *testing.F) {
	f.Add(make([]byte, inetDiagMsg))
	f.Add(append(make([]byte, inetDiagMsg), 5, 0, inetDiagV6Only, 0, 1, 0, 0, 0))
	f.Add(append(make([]byte, inetDiagMsg), 0xff, 0xff, inetDiagV6Only, 0))
	f.Add(append(make([]byte, inetDiagMsg), 12, 0, inetDiagInfo, 0, 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add(append(make([]byte, inetDiagMsg), 4, 2, inetDiagInfo, 0))
	f.Add(append(make([]byte, inetDiagMsg), 8, 0, inetDiagMemory, 0, 1, 2, 3, 4))
	f.Add(append(make([]byte, inetDiagMsg), 12, 0, inetDiagCgroup, 0, 1, 2, 3, 4, 5, 6, 7, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s diagReply
		if ok := s.parse(b); ok != (len(b) >= inetDiagMsg) {
			t.Errorf("%d octets: %v", len(b), ok)
		}
	})
}
