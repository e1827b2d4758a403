package conversation

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/dialscope/dialscope/internal/testcapture"
)

// FuzzReading: any file is read or refused, and whatever is told can be told as
// JSON and claims no more than it may.
func FuzzReading(f *testing.F) {
	for _, c := range stories {
		f.Add(testcapture.Pcap(testcapture.Script{Lines: c.lines}))
	}
	f.Add(testcapture.Framed(1, append(make([]byte, 12), 0x81, 0, 0, 7, 8, 0), testcapture.Script{Lines: testcapture.Open}))
	f.Fuzz(func(t *testing.T, b []byte) {
		told := uint64(0)
		r := &Reading{Limit: 64, Rungs: 8, Each: func(r *Report) error {
			told++
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
			if r.Cause != "" && (r.Confidence == "" || r.Explanation == "") {
				t.Errorf("%s without confidence or words", r.Cause)
			}
			if r.Handshake == "unanswered" && r.Confidence == "certain" {
				t.Errorf("silence explained for certain: %s", r.Cause)
			}
			return nil
		}}
		r.Start(1)
		_, _ = r.File(bytes.NewReader(b), func() error { return nil }) // a broken file is told as far as it goes
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
		if s := r.Summary; told != s.Connections || s.Wanted != told {
			t.Fatalf("%d told, %d counted", told, s.Connections)
		}
	})
}
