package conversation

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// captures finds the captures with their truth that lie beside a checkout.
// They are not part of the project: without them the test is skipped.
func captures(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("DIALSCOPE_CAPTURES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "captures")
	}
	if _, err := os.Stat(filepath.Join(dir, "public", "truth.json")); err != nil {
		t.Skipf("no captures with their truth: %v (name their directory in DIALSCOPE_CAPTURES)", err)
	}
	return dir
}

// readFile reads one capture and gives its reports in the order of first packets.
func readFile(t *testing.T, name string, rungs int) ([]*Report, *Reading) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []*Report
	r := &Reading{Rungs: rungs, Each: func(r *Report) error {
		all = append(all, r)
		return nil
	}}
	r.Start(1)
	if _, err := r.File(f, func() error { return nil }); err != nil {
		t.Logf("%s: %v", name, err)
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b *Report) int { return int(a.Number) - int(b.Number) })
	return all, r
}

// TestPublicCaptures compares every field of every connection with the truth.
func TestPublicCaptures(t *testing.T) {
	dir := filepath.Join(captures(t), "public")
	data, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth map[string]struct {
		Connections []map[string]any `json:"connections"`
	}
	if err := json.Unmarshal(data, &truth); err != nil {
		t.Fatal(err)
	}
	for name, file := range truth {
		t.Run(name, func(t *testing.T) {
			reports, _ := readFile(t, filepath.Join(dir, name), 0)
			got := map[string][]map[string]any{}
			for _, r := range reports {
				b, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				var doc map[string]any
				if err := json.Unmarshal(b, &doc); err != nil {
					t.Fatal(err)
				}
				key := fmt.Sprint(doc["initiator"], doc["responder"])
				got[key] = append(got[key], doc)
			}
			if len(reports) != len(file.Connections) {
				t.Errorf("%d connections, the truth has %d", len(reports), len(file.Connections))
			}
			for _, want := range file.Connections {
				key := fmt.Sprint(want["initiator"], want["responder"])
				if len(got[key]) == 0 {
					t.Errorf("%s: not found", key)
					continue
				}
				doc := got[key][0]
				got[key] = got[key][1:]
				differ(t, key, want, doc)
			}
		})
	}
}

// differ compares what the truth says with the document, which may say more.
func differ(t *testing.T, at string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		doc, is := got.(map[string]any)
		if !is {
			t.Errorf("%s: %v, want %v", at, got, want)
			return
		}
		for k, v := range want {
			differ(t, at+" "+k, v, doc[k])
		}
	case []any:
		list, is := got.([]any)
		if !is || len(list) != len(want) {
			t.Errorf("%s: %v, want %v", at, got, want)
			return
		}
		for i := range want {
			differ(t, fmt.Sprintf("%s[%d]", at, i), want[i], list[i])
		}
	case float64:
		f, is := got.(float64)
		if !is || math.Abs(f-want) > 1.5e-6 { // the truth is rounded to microseconds
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	default:
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
}

// TestKernelCaptures reads what a scripted peer and Linux said to each other,
// and compares with what connect(2) returned.
func TestKernelCaptures(t *testing.T) {
	dir := filepath.Join(captures(t), "kernel")
	data, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth struct {
		Cases []struct {
			Name    string
			Connect struct{ Outcome, Errno string }
		}
	}
	if err := json.Unmarshal(data, &truth); err != nil {
		t.Fatal(err)
	}
	for _, c := range truth.Cases {
		t.Run(c.Name, func(t *testing.T) {
			reports, _ := readFile(t, filepath.Join(dir, c.Name+".pcap"), 0)
			if len(reports) != 1 {
				t.Fatalf("%d connections", len(reports))
			}
			r := reports[0]
			connected := r.Handshake == "complete" || r.Handshake == "simultaneous-or-split"
			if open := c.Connect.Outcome == "open"; open != connected {
				t.Errorf("connect(2): %s, the packets: %s", c.Connect.Outcome, r.Handshake)
			}
			if c.Connect.Errno != "" && string(r.Errno) != c.Connect.Errno {
				t.Errorf("connect(2): %s, the packets: %q", c.Connect.Errno, r.Errno)
			}
		})
	}
}
