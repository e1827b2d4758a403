package testmain

import (
	"fmt"
	"slices"

	"go.uber.org/goleak"
)

// leaks names what the tests left behind. Goroutines come first: goleak gives
// those that are about to end the time to do so, and with them go their
// descriptors.
func leaks(before map[int]string, ignore []goleak.Option) []string {
	var left []string
	if err := goleak.Find(ignore...); err != nil {
		left = append(left, err.Error())
	}
	after, err := openDescriptors()
	if err != nil {
		left = append(left, err.Error())
	}
	for _, fd := range added(before, after) {
		left = append(left, fmt.Sprintf("descriptor %d: %s", fd, after[fd]))
	}
	return append(left, children()...)
}

// added returns the descriptors that are new or refer to something else.
func added(before, after map[int]string) []int {
	var fds []int
	for fd, target := range after {
		if before[fd] != target {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds
}
