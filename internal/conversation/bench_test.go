package conversation

import (
	"bytes"
	"os"
	"testing"
)

// BenchmarkFile reads the capture that DIALSCOPE_BENCH_CAPTURE names, as
// `read --summary` does.
func BenchmarkFile(b *testing.B) {
	name := os.Getenv("DIALSCOPE_BENCH_CAPTURE")
	if name == "" {
		b.Skip("DIALSCOPE_BENCH_CAPTURE names no capture")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var frames uint64
	for b.Loop() {
		r := new(Reading)
		r.Start(1)
		if _, err := r.File(bytes.NewReader(data), func() error { return nil }); err != nil {
			b.Fatal(err)
		}
		if err := r.End(); err != nil {
			b.Fatal(err)
		}
		frames += r.Summary.Frames
	}
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}
