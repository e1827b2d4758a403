package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// holdings are what a process has.
type holdings struct {
	descriptors, goroutines int
	heap                    uint64 // octets that are reachable
}

func hold() (holdings, error) {
	kept.Store(nil)
	runtime.GC()
	runtime.GC() // what a finalizer of the first let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, err := os.ReadDir("/proc/self/fd")
	return holdings{len(fds), runtime.NumGoroutine(), m.HeapAlloc}, err
}

// slack is what the heap may differ by: the runtime's own, not a byte a dial.
const slack = 256 << 10

// leftBehind dials n times, every tenth time where nobody listens, and fails
// if the process has more afterwards than after the first few.
func leftBehind(n int) error {
	fmt.Printf("\n%d dials with DialReport, a tenth of them refused\n", n)
	c := reporting(time.Minute)
	dial := func(n int) error {
		ctx := context.Background()
		for i := range n {
			address, open := lo+":"+port, true
			if i%10 == 9 {
				address, open = lo+":"+shut, false
			}
			conn, err := c.dial(ctx, address)
			if err := settle(conn, err, open); err != nil {
				return err
			}
		}
		return nil
	}
	if err := dial(1000); err != nil { // what is opened once and kept
		return err
	}
	before, err := hold()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := dial(n); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := hold()
	if err != nil {
		return err
	}
	fmt.Printf("%.1f s; descriptors %d → %d, goroutines %d → %d, reachable heap %d → %d octets\n",
		took.Seconds(), before.descriptors, after.descriptors, before.goroutines, after.goroutines, before.heap, after.heap)
	if after.descriptors > before.descriptors || after.goroutines > before.goroutines || after.heap > before.heap+slack {
		return errors.New("the dials left something behind")
	}
	return nil
}
