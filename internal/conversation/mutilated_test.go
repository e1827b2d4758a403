package conversation

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
	"github.com/dialscope/dialscope/internal/testcapture"
)

// written is a capture of raw IP.
func written(t testing.TB, packets []testcapture.Packet) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, 101)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.Frame(p.At, p.Data); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// judged reads packets of one story in a capture of their own.
func judged(t testing.TB, packets []testcapture.Packet) []*Report {
	t.Helper()
	var all []*Report
	r := &Reading{Each: func(r *Report) error { all = append(all, r); return nil }}
	r.Start(1)
	if _, err := r.File(bytes.NewReader(written(t, packets)), func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	return all
}

// sureOf says what may be said for certain of what is left of a story: what the
// whole of it gives, and that a connection was open where its handshake is seen.
func sureOf(whole *Report, r *Report) bool {
	if r.Confidence != cause.Certain || r.Cause == whole.Cause && whole.Confidence == cause.Certain {
		return true
	}
	if first := whole.Ending.First; r.Cause == cause.PeerClosed && first != nil && *first == "responder:fin" {
		return true
	}
	opened := whole.Handshake == "complete" || whole.Handshake == "simultaneous-or-split"
	return r.Cause == cause.IsOpen && opened && (r.Handshake == "complete" || r.Handshake == "simultaneous-or-split")
}

// A story of which packets are lost, copied or overtaken in the capture is told
// as it was or less surely: nothing else is ever certain.
func TestMutilated(t *testing.T) {
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			packets := testcapture.Packets(testcapture.Script{Lines: story.lines})
			whole := judged(t, packets)[0]
			rapid.Check(t, func(rt *rapid.T) {
				left := slices.Clone(packets)
				var did []string
				for range rapid.IntRange(1, 4).Draw(rt, "accidents") {
					if len(left) == 0 {
						break
					}
					at := rapid.IntRange(0, len(left)-1).Draw(rt, "at")
					kind := rapid.SampledFrom([]string{"lost", "lost", "copied", "overtaken", "begun later", "broken off"}).Draw(rt, "accident")
					did = append(did, kind)
					switch kind {
					case "lost":
						left = slices.Delete(left, at, at+1)
					case "copied":
						left = slices.Insert(left, at, left[at])
					case "overtaken":
						if at > 0 {
							left[at], left[at-1] = left[at-1], left[at]
							left[at].At, left[at-1].At = left[at-1].At, left[at].At
						}
					case "begun later":
						left = left[at:]
					case "broken off":
						left = left[:at]
					}
				}
				for _, r := range judged(t, left) {
					if !sureOf(whole, r) {
						rt.Fatalf("%s: %s for certain (%s, %s); the whole says %s (%s)", strings.Join(did, ", "), r.Cause, r.Handshake, r.Ending.How, whole.Cause, whole.Confidence)
					}
				}
			})
		})
	}
}
