package results

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// comparable options of a record: netip's values compare by ==.
var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// record is one of each kind, by number.
func record(i int) *Record {
	r := &Record{}
	r.Place, r.Addr = uint64(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), uint16(80+i))
	r.Outcome, r.Errno, r.Cause, r.Latency, r.SYNs, r.Attempts = cause.Refused, "ECONNREFUSED", cause.PortClosed, time.Duration(1000*i), 1, 1
	r.Culprit, r.At = cause.Culprit{Kind: cause.Destination, Address: r.Addr.Addr()}, time.Duration(i)
	switch i % 4 {
	case 1:
		r.Outcome, r.Errno, r.Cause, r.Culprit = cause.Open, "", cause.IsOpen, cause.Culprit{Kind: cause.Nobody}
		r.Banner, r.Name = "220 \x1b[2J\"ü\"\r\n\xff", "example.com"
	case 2:
		r.Outcome, r.Errno, r.Cause = cause.Unreachable, "EHOSTUNREACH", cause.AdminProhibited
		r.ICMP = evidence.ICMP{Version: 4, Type: 3, Code: 13, Offender: netip.MustParseAddr("192.0.2.254")}
		r.Culprit = cause.Culprit{Kind: cause.Router, Address: r.ICMP.Offender}
	case 3:
		r.Outcome, r.Errno, r.Cause, r.TLS = cause.Timeout, "", cause.PathFirewallDrop, "TLS 1.3"
		r.Addr = netip.AddrPortFrom(netip.MustParseAddr("fe80::1%eth0"), 443)
	}
	return r
}

func TestRecordIsJSONAndComesBack(t *testing.T) {
	for i := range 8 {
		want := record(i)
		line := want.Append(nil)
		if !json.Valid(line) || bytes.ContainsAny(line, "\n\t") {
			t.Fatalf("%s", line)
		}
		got, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		want.Banner = strings.ToValidUTF8(want.Banner, "\ufffd") // JSON has no other bytes
		if diff := cmp.Diff(*want, got, byValue); diff != "" {
			t.Error(diff)
		}
	}
}

// The fields that scripts rely on are a contract.
func TestRecordFields(t *testing.T) {
	const want = `{"address":"192.0.2.4","port":84,"outcome":"refused","errno":"ECONNREFUSED","cause":"port-closed","latency_ns":4000,` +
		`"syns":1,"attempts":1,"culprit":"destination","culprit_address":"192.0.2.4","place":4,"at_ns":4}`
	if got := string(record(4).Append(nil)); got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	r, b := record(2), make([]byte, 0, 1024)
	r.ICMP.Version, r.Culprit.Address = 0, netip.Addr{}
	if n := testing.AllocsPerRun(100, func() { r.Append(b) }); n > 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func journalOf(t *testing.T, n int) (name string, plan Plan) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "journal")
	plan = Plan{Hosts: []string{"192.0.2.0/24"}, Ports: []uint16{80}, Seed: 7, Timeout: time.Second, Digest: 99, Version: 1}
	j, err := NewJournal(name, plan)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := j.Write(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return name, plan
}

// Wherever a journal is torn, what is whole before is read, and what is
// written after goes on from there.
func TestJournalTornAnywhere(t *testing.T) {
	name, plan := journalOf(t, 5)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head := bytes.IndexByte(whole, '\n') + 1
	for size := len(whole); size >= 0; size-- {
		if size < len(whole)-60 && size%61 != 0 {
			continue // every cut of the last lines, and some of those before
		}
		for _, garbage := range []string{"", "x", "\x00\x00\x00\n"} {
			if err := os.WriteFile(name, append(slices.Clone(whole[:size]), garbage...), 0o600); err != nil {
				t.Fatal(err)
			}
			var places []uint64
			j, p, err := Resume(name, func(r *Record) error { places = append(places, r.Place); return nil })
			if size < head {
				if err == nil {
					t.Fatalf("cut in its head at %d, and read", size)
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d: %v", size, err)
			}
			if want := bytes.Count(whole[head:size], []byte("\n")); len(places) != want {
				t.Fatalf("cut at %d: %d records, want %d", size, len(places), want)
			}
			if diff := cmp.Diff(plan, p); diff != "" {
				t.Fatal(diff)
			}
			if err := errors.Join(j.Write(record(77)), j.Close()); err != nil {
				t.Fatal(err)
			}
			n := 0
			j, _, err = Resume(name, func(*Record) error { n++; return nil })
			if err != nil || n != len(places)+1 {
				t.Fatalf("cut at %d, then written: %d records, %v", size, n, err)
			}
			j.Close()
		}
	}
}

// A changed octet is noticed, and nothing after it is believed.
func TestJournalDamaged(t *testing.T) {
	name, _ := journalOf(t, 5)
	whole, _ := os.ReadFile(name)
	head := bytes.IndexByte(whole, '\n') + 1
	at := head + bytes.IndexByte(whole[head:], '\n') + 30 // in the second record
	whole[at] ^= 1
	os.WriteFile(name, whole, 0o600)
	n := 0
	j, _, err := Resume(name, func(*Record) error { n++; return nil })
	if err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
	j.Close()
}

func TestJournalHasEachOnce(t *testing.T) {
	name, _ := journalOf(t, 3)
	j, _, err := Resume(name, func(*Record) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Write(record(1)), j.Write(record(3)), j.Close()); err != nil {
		t.Fatal(err)
	}
	var places []uint64
	if j, _, err = Resume(name, func(r *Record) error { places = append(places, r.Place); return nil }); err != nil {
		t.Fatal(err)
	}
	j.Close()
	if diff := cmp.Diff([]uint64{0, 1, 2, 3}, places); diff != "" {
		t.Error(diff)
	}
}

func TestJournalIsNotWrittenOver(t *testing.T) {
	name, plan := journalOf(t, 1)
	if _, err := NewJournal(name, plan); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("%v", err)
	}
	if files, err := os.ReadDir(filepath.Dir(name)); err != nil || len(files) != 1 {
		t.Errorf("beside the journal there is %v, %v", files, err)
	}
	if _, err := NewJournal(filepath.Join(name, "j"), plan); err == nil || strings.Contains(err.Error(), ".new") {
		t.Errorf("a journal in a file: %v", err)
	}
	for _, text := range []string{"", "hello\n", `{"dialscope_journal":1}` + "\n"} {
		os.WriteFile(name, []byte(text), 0o600)
		if _, _, err := Resume(name, nil); err == nil {
			t.Errorf("%q is taken for a journal", text)
		}
	}
}

func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	w, err := CreateXML("/dev/full", true)
	if err == nil {
		w.Write(record(1))
		err = w.Close()
	}
	if err == nil {
		t.Error("nothing was said of a full disk")
	}
}

func written(t *testing.T, ending string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "out"+ending)
	w, err := Create(name, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := w.Write(record(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(name, false); err == nil {
		t.Error("an existing file is written over")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFormats(t *testing.T) {
	if got := written(t, ".txt"); got != "192.0.2.1:81\n" {
		t.Errorf("%q", got)
	}
	want := strings.Join(csvColumns, ",") + `
192.0.2.0,80,refused,ECONNREFUSED,port-closed,0,1,1,,destination,192.0.2.0,,,,,
192.0.2.1,81,open,,open,1000,1,1,example.com,none,,,,,"220 \x1b[2J\""\u00fc\""\r\n\xff",
192.0.2.2,82,unreachable,EHOSTUNREACH,admin-prohibited,2000,1,1,,router,192.0.2.254,3,13,192.0.2.254,,
fe80::1%eth0,443,timeout,,path-firewall-drop,3000,1,1,,destination,192.0.2.3,,,,,TLS 1.3
`
	if diff := cmp.Diff(want, written(t, ".csv")); diff != "" {
		t.Error(diff)
	}
	if got := written(t, ".ndjson"); strings.Count(got, "\n") != 4 {
		t.Errorf("%q", got)
	}
	if _, err := Create("out.xlsx", false); err == nil || !strings.Contains(err.Error(), Formats) {
		t.Errorf("%v", err)
	}
}

// What nmap's readers look for is where they look for it.
func TestXML(t *testing.T) {
	var run struct {
		Scanner string `xml:"scanner,attr"`
		Hosts   []struct {
			Address struct {
				Addr string `xml:"addr,attr"`
				Type string `xml:"addrtype,attr"`
			} `xml:"address"`
			Name struct {
				Name string `xml:"name,attr"`
			} `xml:"hostnames>hostname"`
			Port struct {
				ID    int `xml:"portid,attr"`
				State struct {
					State  string `xml:"state,attr"`
					Reason string `xml:"reason,attr"`
				} `xml:"state"`
			} `xml:"ports>port"`
		} `xml:"host"`
		Finished struct {
			Exit string `xml:"exit,attr"`
		} `xml:"runstats>finished"`
	}
	if err := xml.Unmarshal([]byte(written(t, ".xml")), &run); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range run.Hosts {
		got = append(got, fmt.Sprintf("%s %s %s %d %s %s", h.Address.Addr, h.Address.Type, h.Name.Name, h.Port.ID, h.Port.State.State, h.Port.State.Reason))
	}
	want := []string{"192.0.2.0 ipv4  80 closed conn-refused", "192.0.2.1 ipv4 example.com 81 open syn-ack",
		"192.0.2.2 ipv4  82 filtered host-unreach", "fe80::1%eth0 ipv6  443 filtered no-response"}
	if diff := cmp.Diff(want, got); diff != "" || run.Finished.Exit != "success" {
		t.Error(diff, run.Finished)
	}
}

// An address is one host with all of its ports, in whatever order they came.
func TestXMLGathers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out.xml")
	w, err := Create(name, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		r := record(2 * (i % 2)) // refused, unreachable
		r.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)}), uint16(100-i))
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var run struct {
		Hosts []struct {
			Status struct {
				State string `xml:"state,attr"`
			} `xml:"status"`
			Ports []struct {
				ID int `xml:"portid,attr"`
			} `xml:"ports>port"`
		} `xml:"host"`
		Counts struct {
			Up    int `xml:"up,attr"`
			Total int `xml:"total,attr"`
		} `xml:"runstats>hosts"`
	}
	if err := xml.Unmarshal(b, &run); err != nil {
		t.Fatal(err)
	}
	if len(run.Hosts) != 4 || run.Counts.Up != 2 || run.Counts.Total != 4 {
		t.Fatalf("%d hosts, %+v", len(run.Hosts), run.Counts)
	}
	for i, h := range run.Hosts {
		if want := map[bool]string{true: "up", false: "unknown"}[i%2 == 0]; h.Status.State != want {
			t.Errorf("host %d is %s", i, h.Status.State)
		}
		for k, p := range h.Ports {
			if want := 64 - i + 4*k; p.ID != want { // 100-i-36 at first
				t.Errorf("host %d has port %d in place %d, want %d", i, p.ID, k, want)
			}
		}
		if len(h.Ports) != 10 {
			t.Errorf("host %d has %d ports", i, len(h.Ports))
		}
	}
}

func TestDiff(t *testing.T) {
	a := func(i int) netip.AddrPort { return record(4 * i).Addr }
	open, shut, mute := Side{cause.Open, cause.IsOpen}, Side{cause.Refused, cause.PortClosed}, Side{cause.Timeout, cause.HostSilent}
	before := map[netip.AddrPort]Side{a(1): open, a(2): shut, a(3): shut, a(4): shut, a(5): open}
	after := map[netip.AddrPort]Side{a(1): shut, a(2): open, a(3): mute, a(4): shut, a(6): open}
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, c.Kind)
	}
	if diff := cmp.Diff([]string{"closed", "opened", "changed", "vanished", "appeared"}, got); diff != "" {
		t.Error(diff)
	}
	if Diff(before, before) != nil {
		t.Error("a sweep differs from itself")
	}
}

func TestReadJournalAndNDJSON(t *testing.T) {
	name, _ := journalOf(t, 5)
	whole, _ := os.ReadFile(name)
	torn := whole[:len(whole)-10]
	got, err := Read(bytes.NewReader(torn))
	if err != nil || len(got) != 4 {
		t.Errorf("%d results, %v", len(got), err)
	}
	plain, err := Read(strings.NewReader(written(t, ".ndjson")))
	if err != nil || len(plain) != 4 || plain[record(1).Addr] != (Side{cause.Open, cause.IsOpen}) {
		t.Errorf("%v, %v", plain, err)
	}
	if _, err := Read(strings.NewReader("{}\n")); err == nil {
		t.Error("an empty object is no result")
	}
}

func TestTally(t *testing.T) {
	tally := NewTally()
	for i := range 8 {
		tally.Add(record(i))
	}
	if got := tally.Outcomes(); got != "open 2, refused 2, timeout 2, unreachable 2" {
		t.Error(got)
	}
	if got := tally.OpenPorts(1); got != "1 × 81, and 1 more" {
		t.Error(got)
	}
	want := []string{"192.0.2.0/24: 2 × admin-prohibited by 192.0.2.254", "192.0.2.0/24: 2 × port-closed", "fe80::/64: 2 × path-firewall-drop"}
	if diff := cmp.Diff(want, tally.Groups(3)); diff != "" {
		t.Error(diff)
	}
	if got := tally.Groups(1); len(got) != 2 || got[1] != "and 2 groups more" {
		t.Errorf("%q", got)
	}
	// 0, 1, 4 and 5 µs: to a quarter of a power of two.
	if q := tally.Quantile(0.5); q < time.Microsecond || q > 1280 {
		t.Errorf("half within %v", q)
	}
	if q := tally.Quantile(1); q < 5*time.Microsecond || q > 6144 {
		t.Errorf("all within %v", q)
	}
	if lines := tally.Histogram(10, "#"); len(lines) != 13 || !strings.HasSuffix(lines[12], "1 ##########") {
		t.Errorf("%q", lines)
	}
}

func TestPlaces(t *testing.T) {
	p := new(Places)
	for _, i := range []uint64{0, 63, 64, 5000, 1 << 20} {
		if p.Has(i) || !p.Add(i) || p.Add(i) || !p.Has(i) || p.Has(i+1) {
			t.Errorf("place %d", i)
		}
	}
}
