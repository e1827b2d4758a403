package experiment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Reuse connects sockets again whose connect has failed, or succeeded.
func Reuse(ctx context.Context) (_ *Table, err error) {
	st, err := newStage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	ways := []struct {
		name   string
		before func(fd int) syscall.Errno
	}{
		{"connect again", nil},
		{"SO_ERROR, then connect", func(fd int) syscall.Errno { _, errno := sys.SOError(fd); return errno }},
		{"AF_UNSPEC, then connect", dissolve},
	}
	t := &Table{Name: "reuse", Title: reuseTitle, About: reuseAbout, Settles: reuseSettles, Columns: []string{"first connect"}}
	for _, w := range ways {
		t.Columns = append(t.Columns, w.name)
	}
	var cases []situation
	for _, s := range st.situations() {
		if s.name != "connected within the call (blocking)" {
			cases = append(cases, s)
		}
	}
	t.Rows = make([][]string, len(cases))
	failures := make([]error, len(cases)*len(ways))
	var trying sync.WaitGroup
	for i := range cases {
		t.Rows[i] = make([]string, 1+len(ways))
		t.Rows[i][0] = cases[i].name
		for k, w := range ways {
			trying.Go(func() {
				t.Rows[i][1+k], failures[i*len(ways)+k] = st.again(ctx, &cases[i], w.before)
			})
		}
	}
	trying.Wait()
	return t, errors.Join(failures...)
}

// again brings a socket into a situation and connects it to an open port.
func (st *stage) again(ctx context.Context, s *situation, before func(int) syscall.Errno) (string, error) {
	fd, err := st.begin(ctx, s)
	if err != nil {
		return "", err
	}
	defer sys.Close(fd)
	if before != nil {
		if errno := before(fd); errno != 0 {
			return name(errno) + " at once", nil
		}
	}
	open := st.at(portAccept)
	switch errno := connect(fd, open); errno {
	case 0, syscall.EINPROGRESS:
	default:
		return name(errno), nil
	}
	if err := await(ctx, fd, settled); err != nil {
		return "", err
	}
	pending, errno := sys.SOError(fd)
	if errno != 0 || pending != 0 {
		return name(max(pending, errno)), nil
	}
	var sa sys.Sockaddr
	if errno := sys.Getpeername(fd, &sa); errno != 0 {
		return "0, and not connected: " + name(errno), nil
	}
	if to, _ := sa.AddrPort(); to != open {
		return fmt.Sprintf("0, still connected to port %d", to.Port()), nil
	}
	return "connected", nil
}
