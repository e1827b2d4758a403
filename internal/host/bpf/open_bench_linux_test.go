//go:build amd64 || arm64

package bpf

import (
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/testmain"
)

// BenchmarkOpen is what a dial pays to listen; CPU time is the process's, user
// and system together.
func BenchmarkOpen(b *testing.B) {
	testmain.Need(b, "bpf")
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	for b.Loop() {
		s, err := Open(Options{Own: true, Kinds: []Kind{Drop, Retransmit, ResetSent, ResetReceived}})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((spent()-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}
