package sock

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
)

// neverOpened is a Config whose attempt must end before it has a socket: no
// hook runs.
func neverOpened(t *testing.T) *Config {
	return &Config{Network: "tcp4", Remote: netip.MustParseAddrPort("127.0.0.1:9"), Limit: time.Second, Scope: "attempt",
		fakeConnect: func(int) (errno syscall.Errno, used bool) {
			t.Error("a socket was opened and connect(2) called")
			return 0, false
		}}
}

func TestDeadlineInThePast(t *testing.T) {
	for _, ago := range []time.Duration{0, time.Nanosecond, time.Hour, 100 * 365 * 24 * time.Hour} {
		c := neverOpened(t)
		c.Deadline = time.Now().Add(-ago)
		r := NewRecorder(nil)
		conn, err := Connect(t.Context(), c, r)
		if conn != nil || !errors.Is(err, ErrExpired) {
			t.Errorf("%v ago: %v, %v", ago, conn, err)
		}
		if len(r.Log) != 1 || r.Log[0].Source != evidence.FromTimer {
			t.Fatalf("%v ago: %+v", ago, r.Log)
		}
		if diff := cmp.Diff(&evidence.Expired{Limit: time.Second, Scope: "attempt"}, r.Log[0].Fact); diff != "" {
			t.Errorf("%v ago (-want +got):\n%s", ago, diff)
		}
	}
}

// Who ended the attempt stands in the log, by the context's cause.
func TestEndedBeforeItBegan(t *testing.T) {
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		return ctx
	}
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
	defer cancel()
	lateInside, cancelInside := context.WithCancelCause(late)
	defer cancelInside(nil)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		fact evidence.Fact
	}{
		{"cancelled", ended(nil), ErrCancelled, &evidence.Cancelled{By: "caller"}},
		{"with a cause", ended(errors.New("the user left")), ErrCancelled, &evidence.Cancelled{By: "caller", Reason: "the user left"}},
		{"a lost race", ended(ErrLostRace), ErrCancelled, &evidence.Cancelled{By: "race"}},
		{"explained by experiments", ended(ErrExplained), ErrExpired, &evidence.Expired{Scope: "explained"}},
		{"the context's deadline", late, ErrExpired, &evidence.Expired{Scope: "context"}},
		{"the parent's deadline", lateInside, ErrExpired, &evidence.Expired{Scope: "context"}},
	} {
		r := NewRecorder(nil)
		conn, err := Connect(tt.ctx, neverOpened(t), r)
		if conn != nil || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, %v", tt.name, conn, err)
		}
		if len(r.Log) != 1 {
			t.Fatalf("%s: %+v", tt.name, r.Log)
		}
		if x, is := r.Log[0].Fact.(*evidence.Expired); is {
			if x.Limit < 0 || x.Limit > time.Minute {
				t.Errorf("%s: limit %v", tt.name, x.Limit)
			}
			x.Limit = 0
		}
		if diff := cmp.Diff(tt.fact, r.Log[0].Fact); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestRecorderStampsInOrder(t *testing.T) {
	var seen evidence.Log
	r := NewRecorder(func(e evidence.Entry) { seen = append(seen, e) })
	for range 20 { // beyond the entries that come with the recorder
		r.Add(evidence.FromTimer, new(evidence.Expired))
	}
	r.AddAt(time.Nanosecond, evidence.FromConnect, new(evidence.Connect))
	if !slices.Equal(seen, r.Log) || len(r.Log) != 21 {
		t.Errorf("the hook saw %d entries, and the log has %d", len(seen), len(r.Log))
	}
	for i := range 19 {
		if r.Log[i].At > r.Log[i+1].At || r.Log[i].At < 0 {
			t.Errorf("entry %d at %v, the next at %v", i, r.Log[i].At, r.Log[i+1].At)
		}
	}
	if r.Log[20].At != time.Nanosecond {
		t.Errorf("filed at %v, wanted the time given", r.Log[20].At)
	}
}

func TestZoneIndex(t *testing.T) {
	for zone, want := range map[string]uint32{"": 0, "17": 17, "nosuchif0": 0, "1x": 0, "99999999999999": 0, "-1": 0} {
		if got := ZoneIndex(zone); got != want {
			t.Errorf("ZoneIndex(%q) = %d, want %d", zone, got, want)
		}
	}
}
