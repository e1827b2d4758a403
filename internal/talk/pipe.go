package talk

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// IgnoreBrokenPipes keeps SIGPIPE from ending the program when whoever reads its
// output is gone (signal(7)): the write gives EPIPE instead. Writes to sockets
// raise it never (MSG_NOSIGNAL, or the runtime's handler).
func IgnoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// OutputGone says that an error of Run means that nobody reads the output any more.
func OutputGone(err error) bool { return errors.Is(err, syscall.EPIPE) }

// isPipe says whether an input or output is a pipe, which a connection is
// spliced with where there is splice(2).
func isPipe(stream any) bool {
	f, is := stream.(*os.File)
	if !is || runtime.GOOS != "linux" {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeNamedPipe != 0
}
