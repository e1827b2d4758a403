package experiment

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// situation is a connect and what came of it.
type situation struct {
	name  string
	truth string
	to    netip.AddrPort
	await int16 // bits that show that it has come to that; 0: nothing is waited for
	setup func(fd int) syscall.Errno
}

const settled = sys.PollOut | sys.PollErr | sys.PollHup

func (st *stage) situations() []situation {
	blocking := func(fd int) syscall.Errno { return sys.SetBlocking(fd) }
	soon := func(fd int) syscall.Errno {
		return sys.SetsockoptInt(fd, sys.SolTCP, sys.TCPUserTimeout, int(1200*time.Millisecond/time.Millisecond))
	}
	return []situation{
		{"connected within the call (blocking)", "yes", netip.AddrPortFrom(loopback, portAccept), settled, blocking},
		{"open", "yes", st.at(portAccept), settled, nil},
		{"the peer spoke first", "yes", st.at(portGreet), sys.PollIn, nil},
		{"the peer closed at once", "yes", st.at(portFIN), sys.PollIn, nil},
		{"the peer reset at once", "it was", st.at(portReset), sys.PollErr | sys.PollHup, nil},
		{"no answer yet", "not yet", st.at(portSilent), 0, nil},
		{"refused", "no", st.at(portClosed), settled, nil},
		{"ICMP host unreachable", "no", netip.AddrPortFrom(absent, portAccept), settled, nil},
		{"timed out", "no", st.at(portSilent), settled, soon},
	}
}

// question is one way to ask whether the connect succeeded.
type question struct {
	name string
	ask  func(fd int, s *situation) string
}

var questions = []question{
	{"poll", func(fd int, _ *situation) string {
		revents, errno := sys.Readiness(fd)
		if errno != 0 {
			return name(errno)
		}
		var bits []string
		for _, b := range []struct {
			bit  int16
			name string
		}{{sys.PollIn, "IN"}, {sys.PollOut, "OUT"}, {sys.PollErr, "ERR"}, {sys.PollHup, "HUP"}, {sys.PollRDHup, "RDHUP"}} {
			if revents&b.bit != 0 {
				bits = append(bits, b.name)
			}
		}
		if len(bits) == 0 {
			return "nothing"
		}
		return strings.Join(bits, " ")
	}},
	{"SO_ERROR", func(fd int, _ *situation) string {
		pending, errno := sys.SOError(fd)
		if errno != 0 {
			return name(errno)
		}
		return name(pending)
	}},
	{"getpeername", func(fd int, _ *situation) string {
		var sa sys.Sockaddr
		if errno := sys.Getpeername(fd, &sa); errno != 0 {
			return name(errno)
		}
		return "the address"
	}},
	{"read of 0 bytes", func(fd int, _ *situation) string {
		n, err := syscall.Read(fd, nil)
		return result(n, err)
	}},
	{"recv of 0 bytes", func(fd int, _ *situation) string {
		n, _, err := syscall.Recvfrom(fd, nil, syscall.MSG_DONTWAIT)
		return result(n, err)
	}},
	{"read of 1 byte", func(fd int, _ *situation) string {
		n, _, err := syscall.Recvfrom(fd, make([]byte, 1), syscall.MSG_DONTWAIT)
		return result(n, err)
	}},
	{"second connect", func(fd int, s *situation) string { return name(connect(fd, s.to)) }},
	{"third connect", func(fd int, s *situation) string { connect(fd, s.to); return name(connect(fd, s.to)) }},
}

func result(n int, err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return name(errno)
	case err != nil:
		return err.Error()
	}
	return fmt.Sprint(n)
}

// Success asks in every outcome, each way on a socket of its own, whether the
// connect has succeeded.
func Success(ctx context.Context) (_ *Table, err error) {
	st, err := newStage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	t := &Table{Name: "success", Title: successTitle, About: successAbout, Settles: successSettles, Columns: []string{"what happened", "connected?"}}
	for _, q := range questions {
		t.Columns = append(t.Columns, q.name)
	}
	all := st.situations()
	t.Rows = make([][]string, len(all))
	failures := make([]error, len(all)*len(questions))
	var asking sync.WaitGroup
	for i := range all {
		t.Rows[i] = make([]string, 2+len(questions))
		t.Rows[i][0], t.Rows[i][1] = all[i].name, all[i].truth
		for k, q := range questions {
			asking.Go(func() {
				t.Rows[i][2+k], failures[i*len(questions)+k] = st.ask(ctx, &all[i], q)
			})
		}
	}
	asking.Wait()
	return t, errors.Join(failures...)
}

// begin connects a new socket of a situation, and returns when it has come to
// that.
func (st *stage) begin(ctx context.Context, s *situation) (fd int, err error) {
	if fd, err = st.socket(); err != nil {
		return fd, err
	}
	defer func() {
		if err != nil {
			sys.Close(fd)
		}
	}()
	if s.setup != nil {
		if errno := s.setup(fd); errno != 0 {
			return fd, asError("setup", errno)
		}
	}
	if errno := connect(fd, s.to); errno != 0 && errno != syscall.EINPROGRESS {
		return fd, asError(s.name, errno)
	}
	if s.await != 0 {
		if err := await(ctx, fd, s.await); err != nil {
			return fd, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return fd, nil
}

func (st *stage) ask(ctx context.Context, s *situation, q question) (string, error) {
	fd, err := st.begin(ctx, s)
	if err != nil {
		return "", err
	}
	defer sys.Close(fd)
	return q.ask(fd, s), nil
}
