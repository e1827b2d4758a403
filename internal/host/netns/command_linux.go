package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// Cmd is a command whose process runs inside a host. Its fields are those of
// [exec.Cmd]; start it with the methods of Cmd, not with those of the field.
// The process is killed when this one ends, and when the [Net] is closed.
type Cmd struct {
	*exec.Cmd
	host   *Host
	policy Policy

	once sync.Once
	done chan struct{} // closed when the process was waited for
	err  error
}

// Command prepares a command like [exec.CommandContext].
func (h *Host) Command(ctx context.Context, path string, args ...string) *Cmd {
	return h.Wrap(exec.CommandContext(ctx, path, args...))
}

// Wrap moves a command that has not been started into the host.
func (h *Host) Wrap(cmd *exec.Cmd) *Cmd {
	return &Cmd{Cmd: cmd, host: h, done: make(chan struct{})}
}

// Start starts the process. The thread that forks stays with it until Wait:
// the kernel sends the parent-death signal when that thread ends (prctl(2),
// PR_SET_PDEATHSIG), not when the process does.
func (c *Cmd) Start() error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("host %s: the network is closed", h.name)
	}
	started := make(chan error)
	go c.startOn(started)
	if err := <-started; err != nil {
		return fmt.Errorf("host %s: %w", h.name, err)
	}
	h.commands[c] = struct{}{}
	return nil
}

// startOn forks on a thread of its own. The main thread is left out: what
// /proc/self and /proc/net show is that thread's namespace.
func (c *Cmd) startOn(started chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() {
		defer runtime.UnlockOSThread()
		elsewhere := make(chan error)
		go c.startOn(elsewhere)
		started <- <-elsewhere
		return
	}
	if c.policy == 0 {
		defer runtime.UnlockOSThread()
	} // else the policy holds for the thread, which ends with this goroutine
	err := c.policy.apply()
	var group *cgroup
	if err == nil && c.policy == Cgroup {
		if group, err = newCgroup(); err == nil {
			c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, int(group.dir.Fd())
		}
	}
	if err == nil {
		err = sys.InNetNS(c.host.fd, c.Cmd.Start)
	}
	started <- err
	if err == nil {
		<-c.done
	}
	group.close()
}

// Wait is [exec.Cmd.Wait]; several goroutines may call it.
func (c *Cmd) Wait() error {
	if c.Process == nil {
		return errors.New("netns: Wait before Start")
	}
	c.once.Do(func() {
		c.err = c.Cmd.Wait()
		c.host.discharge(c)
		close(c.done)
	})
	return c.err
}

// Run starts the process and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the command and returns its standard output.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// stop ends a process that nobody waited for. The error is its own killing.
func (c *Cmd) stop() {
	_ = c.Process.Kill()
	_ = c.Wait()
}

func (h *Host) discharge(c *Cmd) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.commands, c)
}
