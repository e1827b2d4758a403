package netns_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

// With the table full, a connection that exists goes on, and a new one gets no answer.
func TestFillConntrack(t *testing.T) {
	testmain.Need(t, "netns")
	c, err := netns.NewChain(1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := c.Server.Listen("tcp", c.Server4.String()+":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := c.Client.Firewall(netns.Rule{Hook: netns.Postrouting, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Masquerade()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	before, err := c.Client.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := c.Client.FillConntrack(); err != nil {
		t.Fatal(err)
	}
	count, err := c.Client.ReadSysctl("net.netfilter.nf_conntrack_count")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := c.Client.ReadSysctl("net.netfilter.nf_conntrack_max")
	if err != nil || strings.TrimSpace(count) != strings.TrimSpace(limit) {
		t.Errorf("%s of %s connections, %v", count, limit, err)
	}
	short, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if after, err := c.Client.DialContext(short, "tcp", l.Addr().String()); err == nil {
		after.Close()
		t.Error("a new connection opened beside a full table")
	}
	if _, err := before.Write([]byte("x")); err != nil {
		t.Errorf("the old connection: %v", err)
	}
}
