package evidence

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fill sets every field of a fact to something that is not its zero value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.7")))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("[2001:db8::7]:53")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("word")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"TcpExt.TCPRetransFail": 0, "Ip.OutRequests": 3}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a %s in a fact", v.Kind())
	}
}

var byValue = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var byPrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
var byPort = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// Every fact survives JSON, whole and empty; its kind is its own, and none of
// its fields hides the entry's.
func TestEveryFactSurvivesJSON(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, make := range catalogue {
		f := make()
		if kinds[f.Kind()] {
			t.Errorf("kind %s is used twice", f.Kind())
		}
		kinds[f.Kind()] = true
		empty := Entry{At: 5, Source: "test", Fact: make()}
		fill(t, reflect.ValueOf(f).Elem())
		for _, e := range []Entry{{At: 5, Source: "test", Fact: f}, empty} {
			stored, err := json.Marshal(e)
			if err != nil {
				t.Fatalf("%s: %v", f.Kind(), err)
			}
			for _, own := range []string{`"at":`, `"source":`, `"kind":`} {
				if strings.Count(string(stored), own) != 1 {
					t.Errorf("%s: %s stands %d times in %s", f.Kind(), own, strings.Count(string(stored), own), stored)
				}
			}
			var back Entry
			if err := json.Unmarshal(stored, &back); err != nil {
				t.Fatalf("%s: %v", f.Kind(), err)
			}
			if diff := cmp.Diff(e, back, byValue, byPrefix, byPort); diff != "" {
				t.Errorf("%s (-written +read):\n%s", f.Kind(), diff)
			}
		}
	}
}

// A fact of a kind that a later version wrote is kept, not dropped.
func TestUnknownKindIsKept(t *testing.T) {
	const stored = `{"at":9,"source":"later","kind":"telepathy","colour":"blue","depth":3}`
	var e Entry
	if err := json.Unmarshal([]byte(stored), &e); err != nil {
		t.Fatal(err)
	}
	if e.Fact.Kind() != "telepathy" || e.At != 9 || e.Source != "later" {
		t.Errorf("%+v", e)
	}
	again, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	json.Unmarshal([]byte(stored), &a)
	json.Unmarshal(again, &b)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("(-read +written):\n%s", diff)
	}
}

func TestEntryWithoutFact(t *testing.T) {
	if b, err := json.Marshal(Entry{Source: "test"}); err == nil {
		t.Errorf("written as %s", b)
	}
	for _, bad := range []string{`[]`, `{"at":"soon","kind":"connect"}`, `{"at":1,"kind":"connect","remote":"nowhere"}`} {
		var e Entry
		if json.Unmarshal([]byte(bad), &e) == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestFirstLastAll(t *testing.T) {
	var l Log
	l.Add(1*time.Millisecond, FromTCPInfo, &TCPInfo{State: "SYN_SENT"})
	l.Add(2*time.Millisecond, FromSOError, &SOError{})
	l.Add(3*time.Millisecond, FromTCPInfo, &TCPInfo{State: "ESTABLISHED"})
	if f, at, ok := First[*TCPInfo](l); !ok || f.State != "SYN_SENT" || at != time.Millisecond {
		t.Errorf("first: %+v at %v", f, at)
	}
	if f, at, ok := Last[*TCPInfo](l); !ok || f.State != "ESTABLISHED" || at != 3*time.Millisecond {
		t.Errorf("last: %+v at %v", f, at)
	}
	if n := len(All[*TCPInfo](l)); n != 2 {
		t.Errorf("%d facts, want 2", n)
	}
	if f, _, ok := First[*ICMP](l); ok || f != nil {
		t.Errorf("an ICMP error from nowhere: %+v", f)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"at":1,"source":"connect","kind":"connect","remote":"192.0.2.1:80","errno":"EINPROGRESS"}`))
	f.Add([]byte(`{"at":1,"source":"errqueue","kind":"icmp","version":4,"type":3,"code":13,"offender":"192.0.2.1","quoted":{"seq":1}}`))
	f.Add([]byte(`{"kind":"telepathy"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Entry
		if json.Unmarshal(data, &e) != nil {
			return
		}
		stored, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("read, and cannot be written: %v", err)
		}
		var again Entry
		if err := json.Unmarshal(stored, &again); err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
	})
}
