package cli

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/host/capture"
	"github.com/dialscope/dialscope/internal/testcapture"
)

// A file that became longer while it was read is no broken one.
func TestGrowing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(name, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if growing(f, 100) || !growing(f, 60) || growing(nil, 0) {
		t.Error("a file of 100 octets: as long as before, longer, and no file")
	}
}

// The kernel chooses what it can; the rest is chosen here.
func TestLiveFilter(t *testing.T) {
	host := func(text ...string) (all prefixes) {
		for _, h := range text {
			all = append(all, netip.MustParsePrefix(h))
		}
		return all
	}
	for _, c := range []struct {
		o     readOptions
		hosts int
		ports int
	}{
		{readOptions{}, 0, 0},
		{readOptions{hosts: host("192.0.2.1/32", "2001:db8::1/128"), ports: ports{80, 443}}, 2, 2},
		{readOptions{hosts: host("192.0.2.1/32", "192.0.2.0/24"), ports: ports{80}}, 0, 1},
		{readOptions{hosts: host(strings.Fields(strings.Repeat("192.0.2.1/32 ", mostLive+1))...), ports: make(ports, mostLive+1)}, 0, 0},
	} {
		f := c.o.filter()
		if len(f) != 1 || f[0].Protocol != capture.TCP || len(f[0].Hosts) != c.hosts || len(f[0].Ports) != c.ports {
			t.Errorf("%+v: %+v", c.o, f)
		}
	}
}

// What is kept can be read again, with the interfaces' directions and all.
func TestKeeper(t *testing.T) {
	name := filepath.Join(t.TempDir(), "kept.pcapng")
	k, err := keep(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range testcapture.Packets(testcapture.Script{Lines: testcapture.Open}) {
		f := capture.Frame{At: time.Unix(0, int64(p.At)), Interface: 1 << 20, Direction: capture.Direction(4 * (i % 2)), Data: p.Data, Length: len(p.Data)}
		if err := k.frame(&f); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.out.Flush(); err != nil {
		t.Fatal(err)
	}
	k.file.Close()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var told []*conversation.Report
	pass := &conversation.Reading{Each: func(r *conversation.Report) error { told = append(told, r); return nil }}
	pass.Start(1)
	info, err := pass.File(bytes.NewReader(b), func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := pass.End(); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Handshake != "complete" || info.Format != "pcapng" || info.Interfaces != 1 {
		t.Errorf("%d connections, %+v", len(told), info)
	}
	if _, err := keep(filepath.Join(name, "below")); err == nil {
		t.Error("a file below a file")
	}
}
