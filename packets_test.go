package dialscope

import (
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/capture"
)

// A frame is not later than the one that came behind it.
func TestFramesInOrder(t *testing.T) {
	at := func(ms ...int64) (frames []capture.Frame) {
		for _, n := range ms {
			frames = append(frames, capture.Frame{At: time.UnixMilli(n)})
		}
		return frames
	}
	for _, tt := range []struct{ is, want []capture.Frame }{
		{nil, nil},
		{at(1), at(1)},
		{at(1, 2, 2, 3), at(1, 2, 2, 3)},
		{at(9, 9, 3, 4), at(3, 3, 3, 4)},
		{at(1, 9, 3), at(1, 3, 3)},
	} {
		inOrder(tt.is)
		for i := range tt.is {
			if !tt.is[i].At.Equal(tt.want[i].At) {
				t.Errorf("frame %d: %v, want %v", i, tt.is[i].At, tt.want[i].At)
			}
		}
	}
}
