package cli

import (
	"fmt"
	"slices"

	"github.com/dialscope/dialscope/internal/host/sys"
)

// What a dial makes use of as root, and no more: packets of its own (probes,
// capture), marks and the rules of this host's filter, source ports below
// 1024, and whose the socket is that holds a port.
var dialCapabilities = slices.Clip([]int{sys.CapNetRaw, sys.CapNetAdmin, sys.CapNetBindService, sys.CapSysPtrace, sys.CapDACReadSearch})

// loadCapabilities are for loading the programs that listen to the kernel, and
// are given up once that is done.
var loadCapabilities = []int{sys.CapBPF, sys.CapPerfmon, sys.CapSysResource}

// confine gives up what a dial does not need, at once. A process that has no
// privileges keeps what it has.
func (a *app) confine() {
	switch {
	case !a.confined:
	case a.options.kernel == "never":
		a.keep(dialCapabilities)
	default:
		a.keep(append(dialCapabilities, loadCapabilities...))
	}
}

// confineFurther gives up what the programs that listen to the kernel needed,
// when they are loaded. The function that it returns ends the waiting for that.
func (a *app) confineFurther() (stop func()) {
	if !a.confined || a.events == nil {
		return func() {}
	}
	loaded := func() {
		keep := dialCapabilities
		if !sys.AtLeastLinux(5, 19) { // before, to write into a map took the capability, too (bpf(2))
			keep = append(keep, sys.CapBPF)
		}
		a.keep(keep)
	}
	select {
	case <-a.events.Ready():
		loaded()
		return func() {}
	default:
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-a.events.Ready():
			loaded()
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// keep gives up all but these, and tells of a failure: to go on with more
// privileges than needed is no reason not to dial.
func (a *app) keep(capabilities []int) {
	if err := sys.KeepCapabilities(capabilities...); err != nil && a.options.verbose {
		a.complain(fmt.Sprintf("privileges that are not needed could not be given up: %v", err))
	}
}
