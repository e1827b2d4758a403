// Package testmain is the frame around a package's tests: it gives them the
// privileges that they need where that is possible, lets them run functions of
// their own in child processes, and fails when they leave something behind.
//
//	func TestMain(m *testing.M) { testmain.Main(m) }
//
// [Need] is for tests that need something which not every host has.
package testmain

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests and ends the process. In this order it
//
//   - runs the [Helper] that [Command] asked for, if any, instead of the tests;
//   - runs itself again as root of a user namespace if networks cannot be built
//     as this user, unless [InPlace] is given;
//   - runs the tests;
//   - fails if goroutines, descriptors or child processes are left.
func Main(m *testing.M, opts ...Option) {
	// On the main thread /proc/self/net and /proc/self/ns show this process's
	// network. Tests that visit other namespaces run on other goroutines, and
	// so on other threads, as long as this one keeps the main thread.
	runtime.LockOSThread()
	os.Exit(run(m, opts))
}

func run(m *testing.M, opts []Option) int {
	c := config{helpers: map[string]func([]string) int{}}
	for _, o := range opts {
		o(&c)
	}
	if code, ok := c.helper(); ok {
		return code
	}
	if !c.inPlace {
		if code, ok := reexec(); ok {
			return code
		}
	}
	before, err := openDescriptors()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testmain:", err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		return code // what a failed test leaves behind is not the news
	}
	for _, leak := range leaks(before, c.ignore) {
		fmt.Fprintln(os.Stderr, "testmain: left behind:", leak)
		code = 1
	}
	return code
}

// Option changes what [Main] does.
type Option func(*config)

type config struct {
	helpers map[string]func(args []string) int
	inPlace bool
	ignore  []goleak.Option
}

// InPlace keeps the tests in the user namespace in which they were started.
func InPlace() Option { return func(c *config) { c.inPlace = true } }

// Ignore exempts goroutines from the leak check.
func Ignore(opts ...goleak.Option) Option {
	return func(c *config) { c.ignore = append(c.ignore, opts...) }
}
