package sockets

import (
	"net/netip"
	"slices"
	"testing"
)

func TestParseState(t *testing.T) {
	for text, want := range map[string]States{
		"listen": Set(Listen), "LISTENING": Set(Listen), "established": Set(Established), "ESTAB": Set(Established),
		"syn-sent": Set(SYNSent), "SYN_SENT": Set(SYNSent), "syn-recv": Set(SYNReceived), "SYN_RECEIVED": Set(SYNReceived),
		"fin-wait-1": Set(FINWait1), "FIN_WAIT1": Set(FINWait1), "FIN-WAIT-2": Set(FINWait2), "close-wait": Set(CloseWait),
		"last_ack": Set(LastACK), "closing": Set(Closing), "time-wait": Set(TimeWait), "TIMEWAIT": Set(TimeWait), "closed": Set(Closed), "close": Set(Closed),
		"unconnected": Set(Unconnected), "unconn": Set(Unconnected, Closed),
		"bucket": Set(SYNReceived, TimeWait),
	} {
		if got, ok := ParseState(text); !ok || got != want {
			t.Errorf("%q: %b, %v, want %b", text, got, ok, want)
		}
	}
	for _, bad := range []string{"", "?", "open", "estb"} {
		if got, ok := ParseState(bad); ok {
			t.Errorf("%q is a state: %b", bad, got)
		}
	}
	for _, name := range StateNames() {
		if _, ok := ParseState(name); !ok {
			t.Errorf("%q is in the list and is not understood", name)
		}
	}
	if State(200).String() != "?" || Timer(200).String() != "?" {
		t.Error("a number that is no state has a name")
	}
	if w := synonyms["connected"]; w.Has(Listen) || !w.Has(TimeWait) || !States(0).Has(Listen) {
		t.Error("sets of states")
	}
}

func TestFilter(t *testing.T) {
	s := tcp(Established, "10.0.0.1:80", "10.0.0.2:4000", heldBy(0))
	udp := Socket{Network: "udp", State: Unconnected, Local: ap("[fe80::1%eth0]:53")}
	tab := table(Host{}, s, udp)
	prefix := netip.MustParsePrefix
	for _, c := range []struct {
		name string
		f    Filter
		want []int
	}{
		{"all", Filter{}, []int{0, 1}},
		{"network", Filter{Networks: []string{"udp"}}, []int{1}},
		{"state", Filter{States: Set(Established, Closed)}, []int{0}},
		{"local host", Filter{Hosts: []netip.Prefix{prefix("10.0.0.1/32")}}, []int{0}},
		{"remote host", Filter{Hosts: []netip.Prefix{prefix("10.0.0.2/31")}}, []int{0}},
		{"zone", Filter{Hosts: []netip.Prefix{prefix("fe80::/10")}}, []int{1}},
		{"other host", Filter{Hosts: []netip.Prefix{prefix("10.0.0.4/32")}}, nil},
		{"local port", Filter{Ports: []uint16{53}}, []int{1}},
		{"remote port", Filter{Ports: []uint16{4000, 1}}, []int{0}},
		{"port 0 is no remote port", Filter{Ports: []uint16{0}}, nil},
		{"pid", Filter{PIDs: []int{10}}, []int{0}},
		{"other pid", Filter{PIDs: []int{20}}, nil},
		{"name", Filter{Names: []string{"serv"}}, []int{0}},
		{"name or pid", Filter{Names: []string{"x"}, PIDs: []int{10}}, []int{0}},
		{"all must be met", Filter{PIDs: []int{10}, Ports: []uint16{81}}, nil},
	} {
		var got []int
		for i := range tab.Sockets {
			if c.f.Match(tab, &tab.Sockets[i]) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: rows %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSort(t *testing.T) {
	tab := table(Host{},
		tcp(Established, "10.0.0.1:80", "10.0.0.9:1", queues(1, 5), heldBy(0), timer(Retransmit, 1)),
		tcp(Listen, "10.0.0.3:90", "", queues(3, 4)),
		tcp(Listen, "10.0.0.2:80", "", queues(2, 6), heldBy(1)))
	for order, want := range map[string][]int32{
		"state": {2, 1, 0}, "local": {0, 2, 1}, "remote": {2, 1, 0}, "recv-q": {1, 2, 0}, "send-q": {2, 0, 1}, "process": {2, 0, 1}, "timer": {0, 2, 1},
	} {
		rows := []int32{0, 1, 2}
		tab.Sort(rows, order)
		if !slices.Equal(rows, want) {
			t.Errorf("by %s: %v, want %v", order, rows, want)
		}
	}
}

func TestContainer(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ content, path, container string }{
		{"", "", ""},
		{"0::/\n", "", ""},
		{"0::/user.slice/session-1.scope\n", "/user.slice/session-1.scope", ""},
		{"0::/system.slice/docker-" + id + ".scope\n", "/system.slice/docker-" + id + ".scope", id[:12]},
		{"1:cpu:/\n0::/docker/" + id + "/init\n", "/docker/" + id + "/init", id[:12]},
		{"4:memory:/docker/" + id + "\n3:cpu:/other\n0::/\n", "/docker/" + id, id[:12]},
		{"3:cpu:/other\n0::/\n", "/other", ""},
		{"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope", "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope", id[:12]},
		{"0::/kubepods/besteffort/pod12/" + id + "\n", "/kubepods/besteffort/pod12/" + id, id[:12]},
		{"0::/lxc.payload.web/system.slice\n", "/lxc.payload.web/system.slice", "web"},
		{"0::/machine.slice/machine-db.scope\n", "/machine.slice/machine-db.scope", "db"},
		{"nonsense\n", "", ""},
	} {
		path := CgroupPath(c.content)
		if got := ContainerOf(path); path != c.path || got != c.container {
			t.Errorf("%q: %q, %q; want %q, %q", c.content, path, got, c.path, c.container)
		}
	}
}

func TestCounter(t *testing.T) {
	const content = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: ListenOverflows\nIpExt: 4\n"
	for name, want := range map[string]int64{"ListenOverflows": 22, "ListenDrops": 333, "Nothing": -1} {
		if got := Counter(content, "TcpExt:", name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	for _, bad := range []string{"", "TcpExt:", "TcpExt: a\nTcpExt:", "TcpExt: a\nTcpExt: x"} {
		if got := Counter(bad, "TcpExt:", "a"); got != -1 {
			t.Errorf("%q: %d", bad, got)
		}
	}
}

func TestPortsIn(t *testing.T) {
	for list, want := range map[string]int{"": 0, "5": 0, "10": 1, "8-12,19-30,15": 6, "x": 0, "30-8": 0, "1-100": 11} {
		if got := PortsIn(list, 10, 20); got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
}
