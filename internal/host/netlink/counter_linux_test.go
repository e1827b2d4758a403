package netlink

import (
	"bytes"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/evidence"
)

// fileCounters reads snmp, netstat and snmp6 of this thread the plain way.
func fileCounters(t *testing.T) map[string]uint64 {
	t.Helper()
	all := make(map[string]uint64)
	for _, name := range []string{"snmp", "netstat"} {
		content, err := os.ReadFile(procNet + name)
		must(t, err)
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			for j := 1; j < len(names); j++ {
				if v, err := strconv.ParseUint(values[j], 10, 64); err == nil {
					all[strings.TrimSuffix(names[0], ":")+"."+names[j]] = v
				}
			}
		}
	}
	content, err := os.ReadFile(procNet + "snmp6")
	must(t, err)
	for row := range strings.Lines(string(content)) {
		f := strings.Fields(row)
		v, err := strconv.ParseUint(f[1], 10, 64)
		must(t, err)
		all[strings.Replace(f[0], "6", "6.", 1)] = v
	}
	return all
}

func TestTakeCountersAgreesWithFiles(t *testing.T) {
	enterNetNS(t)
	to := addrPort("127.0.0.1:1001")
	listen(t, to)
	connect(t, to)
	s, err := TakeCounters("")
	must(t, err)
	files := fileCounters(t)
	moved := 0
	for i, name := range counterNames {
		want, there := files[name]
		if got := s.netns[i]; got.known != there || got.value != want {
			t.Errorf("%s: %+v, the file has %d %v", name, got, want, there)
		}
		if want > 0 {
			moved++
		}
	}
	if moved < 5 {
		t.Errorf("only %d counters moved: the comparison shows little", moved)
	}
	for _, name := range []string{
		"Tcp.ActiveOpens", "TcpExt.TCPRetransFail", "TcpExt.IPReversePathFilter", "TcpExt.LockDroppedIcmps",
		"Ip.OutNoRoutes", "IpExt.InCsumErrors", "Icmp.OutDestUnreachs", "Ip6.OutNoRoutes", "Icmp6.InDestUnreachs",
	} {
		if _, there := files[name]; !there {
			t.Errorf("%s is not a name of this kernel", name)
		}
	}
}

func rise(t *testing.T, all []*evidence.Counters, scope string) map[string]int64 {
	t.Helper()
	for _, c := range all {
		if c.Scope == scope {
			return c.Rise
		}
	}
	t.Fatalf("no scope %q in %+v", scope, all)
	return nil
}

func TestCountersRise(t *testing.T) {
	enterNetNS(t)
	before, err := TakeCounters("lo")
	must(t, err)
	to := addrPort("127.0.0.1:1001")
	if err := connectAgain(t, to); err == nil {
		t.Fatal("connected to a closed port")
	}
	if errno := connectErrno(t, addr("203.0.113.1")); errno == 0 {
		t.Fatal("connected without a route")
	}
	after, err := TakeCounters("lo")
	must(t, err)
	all := before.Rise(after)
	netns, link := rise(t, all, "netns"), rise(t, all, "link:lo")
	for name, want := range map[string]int64{
		"Tcp.ActiveOpens": 1, "Tcp.AttemptFails": 1, "Tcp.OutRsts": 1, "Tcp.RetransSegs": 0,
		"TcpExt.TCPRetransFail": 0, "TcpExt.IPReversePathFilter": 0,
	} {
		if got, there := netns[name]; !there || got != want {
			t.Errorf("%s rose by %d (%v), want %d", name, got, there, want)
		}
	}
	if link["tx_packets"] != 2 || link["rx_packets"] != 2 || link["tx_dropped"] != 0 { // SYN and RST
		t.Errorf("lo: %v", link)
	}
}

func TestCountersOfLink(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1")
	before, err := TakeCounters("v0")
	must(t, err)
	must(t, vishnl.LinkDel(linkNamed(t, "v0")))
	after, err := TakeCounters("v0")
	must(t, err)
	for _, c := range before.Rise(after) {
		if strings.HasPrefix(c.Scope, "link:") {
			t.Errorf("an interface that is gone has counters: %+v", c)
		}
	}
}

func TestRiseThreeValues(t *testing.T) {
	var before, after Snapshot
	before.netns[0], after.netns[0] = reading{5, true}, reading{5, true}
	before.netns[1], after.netns[1] = reading{5, true}, reading{7, true}
	before.netns[2], after.netns[2] = reading{5, true}, reading{}
	before.netns[3], after.netns[3] = reading{5, true}, reading{1, true}
	all := before.Rise(&after)
	got := rise(t, all, "netns")
	if len(all) != 1 || len(got) != 2 || got[counterNames[0]] != 0 || got[counterNames[1]] != 2 {
		t.Errorf("not moved, moved by two, unreadable, backwards: %v", got)
	}
}

// connectionTracking is /proc/net/stat/nf_conntrack of a host with two processors.
const connectionTracking = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000005  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 0000000a 00000002 00000000  00000000 00000000 00000000 00000000
00000005  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000010 00000000 00000000  00000000 00000000 00000000 00000000
`

func TestReadPerCPU(t *testing.T) {
	var s Snapshot
	readPerCPU([]byte(connectionTracking), &s.track)
	want := [len(trackCounterNames)]reading{{1, true}, {0x1a, true}, {2, true}}
	if s.track != want {
		t.Errorf("%+v, want %+v", s.track, want)
	}
	s = Snapshot{}
	readPerCPU(nil, &s.track)
	if s != (Snapshot{}) {
		t.Errorf("an empty file: %+v", s.track)
	}
}

func TestCounterNamesDistinct(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range counterNames {
		if seen[name] || strings.Count(name, ".") != 1 {
			t.Errorf("%q", name)
		}
		seen[name] = true
	}
}

func FuzzReadCounters(f *testing.F) {
	for _, name := range []string{"snmp", "netstat", "snmp6", "stat/nf_conntrack"} {
		if content, err := os.ReadFile(procNet + name); err == nil {
			f.Add(content)
		}
	}
	f.Add([]byte("Tcp: A B\nTcp: 1\n"))
	f.Add([]byte("Tcp: ActiveOpens\nUdp: 1\n"))
	f.Add([]byte("Tcp: ActiveOpens MaxConn\nTcp: 99999999999999999999999 -1\n"))
	f.Add([]byte(connectionTracking))
	f.Fuzz(func(t *testing.T, content []byte) {
		original := bytes.Clone(content)
		var s Snapshot
		readTable(content, &s.netns)
		readList(content, &s.netns)
		readPerCPU(content, &s.track)
		if !bytes.Equal(content, original) {
			t.Error("the input was changed")
		}
		for i, r := range s.netns {
			_, name, _ := strings.Cut(counterNames[i], ".")
			if r.known && !bytes.Contains(content, []byte(name)) {
				t.Errorf("%s is known, the file does not name it", counterNames[i])
			}
		}
	})
}

func FuzzParseMessages(f *testing.F) {
	f.Add([]byte{2, 24, 0, 0, 254, 0, 0, 7, 0, 0, 0, 0, 8, 0, 1, 0, 192, 0, 2, 0})
	f.Add([]byte{10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 20, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x9b})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parseRoute(b); ok && (!m.prefix.IsValid() || m.errno > 4095) {
			t.Errorf("%+v", m)
		}
		if r, ok := parseRule(b); ok {
			l := &lookup{to: netip.IPv4Unspecified()}
			l.matches(&r)
		}
		var link evidence.Link
		parseLink(b, &link)
		parseAddress(b)
		parseNeighbour(b)
	})
}

func BenchmarkTakeCounters(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := TakeCounters("lo"); err != nil {
			b.Fatal(err)
		}
	}
}
