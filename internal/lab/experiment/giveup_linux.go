package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

// bound is one way to bound the time of a connect.
type bound struct {
	name    string
	sysctls map[string]string
	predict tcpstate.SYNParams // of the kernel's own end
	within  time.Duration      // another end that comes first; 0: none
	says    syscall.Errno      // that is expected of connect(2)
	connect func(ctx context.Context, h *netns.Host, b *bound) (syscall.Errno, error)
	option  func(fd int) syscall.Errno
	after   string // state of the attempt afterwards
}

const (
	retries = "net.ipv4.tcp_syn_retries"
	linear  = "net.ipv4.tcp_syn_linear_timeouts"
	rtoMax  = "net.ipv4.tcp_rto_max_ms"
)

func bounds() []bound {
	set := func(name, value int) func(int) syscall.Errno {
		return func(fd int) syscall.Errno { return sys.SetsockoptInt(fd, sys.SolTCP, name, value) }
	}
	keepalive := func(fd int) syscall.Errno {
		const keepIdle, keepInterval, keepCount = 4, 5, 6 // TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, linux/tcp.h
		if errno := sys.SetsockoptInt(fd, sys.SolSocket, syscall.SO_KEEPALIVE, 1); errno != 0 {
			return errno
		}
		for _, name := range []int{keepIdle, keepInterval, keepCount} {
			if errno := sys.SetsockoptInt(fd, sys.SolTCP, name, 1); errno != 0 {
				return errno
			}
		}
		return 0
	}
	one := map[string]string{retries: "1", linear: "0"}
	return []bound{
		{name: "blocking, `tcp_syn_retries` 1, `tcp_syn_linear_timeouts` 0", sysctls: one,
			predict: tcpstate.SYNParams{Retries: 1}, says: syscall.ETIMEDOUT, connect: blocking},
		{name: "blocking, `tcp_syn_retries` 2, `tcp_syn_linear_timeouts` 0", sysctls: map[string]string{retries: "2", linear: "0"},
			predict: tcpstate.SYNParams{Retries: 2}, says: syscall.ETIMEDOUT, connect: blocking},
		{name: "blocking, `tcp_syn_retries` 1, `tcp_syn_linear_timeouts` 4", sysctls: map[string]string{retries: "1", linear: "4"},
			predict: tcpstate.SYNParams{Retries: 1, Linear: 4}, says: syscall.ETIMEDOUT, connect: blocking},
		{name: "blocking, `tcp_syn_retries` 2, `tcp_syn_linear_timeouts` 4", sysctls: map[string]string{retries: "2", linear: "4"},
			predict: tcpstate.SYNParams{Retries: 2, Linear: 4}, says: syscall.ETIMEDOUT, connect: blocking},
		{name: "blocking, the default 6 retries and 4 linear, `tcp_rto_max_ms` 1000", sysctls: map[string]string{retries: "6", linear: "4", rtoMax: "1000"},
			predict: tcpstate.SYNParams{Retries: 6, Linear: 4, MaxRTO: time.Second}, says: syscall.ETIMEDOUT, connect: blocking},
		{name: "TCP_SYNCNT 1", predict: tcpstate.SYNParams{Retries: 1, Linear: 4}, says: syscall.ETIMEDOUT, connect: blocking, option: set(sys.TCPSynCnt, 1)},
		{name: "TCP_SYNCNT 2", predict: tcpstate.SYNParams{Retries: 2, Linear: 4}, says: syscall.ETIMEDOUT, connect: blocking, option: set(sys.TCPSynCnt, 2)},
		{name: "TCP_USER_TIMEOUT 2500 ms", predict: tcpstate.SYNParams{Retries: 6, Linear: 4, UserTimeout: 2500 * time.Millisecond},
			says: syscall.ETIMEDOUT, connect: blocking, option: set(sys.TCPUserTimeout, 2500)},
		{name: "SO_KEEPALIVE, all three timers 1 s, `tcp_syn_retries` 1", sysctls: one,
			predict: tcpstate.SYNParams{Retries: 1}, says: syscall.ETIMEDOUT, connect: blocking, option: keepalive},
		{name: "poll with a deadline of 700 ms", within: 700 * time.Millisecond, says: 0, connect: polled, after: "SYN_SENT: goes on until it is closed"},
		{name: "SO_SNDTIMEO 700 ms", within: 700 * time.Millisecond, says: syscall.EINPROGRESS, connect: blocking, option: sendTimeout(700 * time.Millisecond), after: "SYN_SENT: goes on until it is closed"},
		{name: "a signal after 300 ms, SA_RESTART, `tcp_syn_retries` 1", sysctls: one,
			predict: tcpstate.SYNParams{Retries: 1}, says: syscall.ETIMEDOUT, connect: interrupted},
		{name: "a signal after 300 ms, SA_RESTART, with SO_SNDTIMEO 5 s", within: 300 * time.Millisecond, says: syscall.EINTR,
			connect: interrupted, option: sendTimeout(5 * time.Second), after: "SYN_SENT: goes on until it is closed"},
	}
}

func sendTimeout(d time.Duration) func(int) syscall.Errno {
	return func(fd int) syscall.Errno {
		tv := syscall.NsecToTimeval(int64(d))
		var errno syscall.Errno
		errors.As(syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv), &errno)
		return errno
	}
}

// GiveUp measures every way to bound the time of a connect.
func GiveUp(ctx context.Context) (*Table, error) {
	t := &Table{Name: "giveup", Title: giveUpTitle, About: giveUpAbout, Settles: giveUpSettles, Measured: 2,
		Columns: []string{"bounded by", "predicted", "measured", "connect says", "and then"}}
	all := bounds()
	t.Rows = make([][]string, len(all))
	failures := make([]error, len(all))
	var measuring sync.WaitGroup
	for i := range all {
		measuring.Go(func() { t.Rows[i], failures[i] = all[i].measure(ctx) })
	}
	measuring.Wait()
	return t, errors.Join(failures...)
}

func (b *bound) measure(ctx context.Context) (_ []string, err error) {
	c, err := netns.NewChain(0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.Server.Firewall(netns.Rule{Hook: netns.Input, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Drop()}); err != nil {
		return nil, err
	}
	for name, value := range b.sysctls {
		if err := c.Client.Sysctl(name, value); err != nil {
			return nil, fmt.Errorf("%s: %w", b.name, err)
		}
	}
	predicted := b.within
	if predicted == 0 {
		predicted = b.predict.Schedule().End
	}
	began := time.Now()
	errno, err := b.connect(ctx, c.Client, b)
	took := time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	if late := predicted/20 + 250*time.Millisecond; took < predicted-20*time.Millisecond || took > predicted+late || errno != b.says {
		return nil, fmt.Errorf("%s: connect said %s after %v, not %s after %v", b.name, name(errno), took, name(b.says), predicted)
	}
	after := b.after
	if after == "" {
		after = "CLOSE: over"
	}
	says := name(errno)
	if errno == 0 {
		says = "EINPROGRESS, before; poll says nothing"
	}
	return []string{b.name, seconds(predicted), seconds(took), says, after}, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// open makes the socket with the bound's option.
func (b *bound) open(h *netns.Host) (fd int, err error) {
	err = h.Do(func() error {
		var errno syscall.Errno
		fd, errno = sys.Socket(sys.AFInet, sys.SockStream, 0)
		return asError("socket", errno)
	})
	if err == nil && b.option != nil {
		if errno := b.option(fd); errno != 0 {
			sys.Close(fd)
			return -1, asError("setsockopt", errno)
		}
	}
	return fd, err
}

// blocking is a connect that waits inside the call. The call is made through
// package syscall, which tells the scheduler that it blocks.
func blocking(_ context.Context, h *netns.Host, b *bound) (syscall.Errno, error) {
	fd, err := b.open(h)
	if err != nil {
		return 0, err
	}
	defer sys.Close(fd)
	return wait(fd)
}

func wait(fd int) (errno syscall.Errno, err error) {
	if errno := sys.SetBlocking(fd); errno != 0 {
		return 0, asError("fcntl", errno)
	}
	errors.As(syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 80}), &errno)
	return errno, nil
}

// polled is a non-blocking connect that is given up by its caller.
func polled(ctx context.Context, h *netns.Host, b *bound) (syscall.Errno, error) {
	fd, err := b.open(h)
	if err != nil {
		return 0, err
	}
	defer sys.Close(fd)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 80}); !errors.Is(err, syscall.EINPROGRESS) {
		return 0, fmt.Errorf("connect: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, b.within)
	defer cancel()
	err = await(ctx, fd, settled)
	if !errors.Is(err, context.DeadlineExceeded) {
		return 0, fmt.Errorf("poll: %w", err)
	}
	return 0, nil
}

// interrupted is a blocking connect whose thread gets a signal. Go's handlers
// are all installed with SA_RESTART (signal(7)).
func interrupted(_ context.Context, h *netns.Host, b *bound) (syscall.Errno, error) {
	caught := make(chan os.Signal, 16)
	signal.Notify(caught, syscall.SIGALRM)
	defer signal.Stop(caught)
	fd, err := b.open(h)
	if err != nil {
		return 0, err
	}
	defer sys.Close(fd)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, tid := syscall.Getpid(), syscall.Gettid()
	timer := time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Tgkill(pid, tid, syscall.SIGALRM) })
	defer timer.Stop()
	return wait(fd)
}
