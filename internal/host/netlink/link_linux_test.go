package netlink

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	vishnl "github.com/vishvananda/netlink"

	"github.com/dialscope/dialscope/evidence"
)

func TestLink(t *testing.T) {
	enterNetNS(t)
	veth := addVeth(t, "v0", "v1")
	index := veth.Attrs().Index
	want := &evidence.Link{Name: "v0", Index: index, Exists: true, Up: true, Carrier: true, Oper: "up", Type: "veth", MTU: 1500}
	check := func(state string) {
		t.Helper()
		byName, err := LinkByName("v0")
		must(t, err)
		byIndex, err := LinkByIndex(index)
		must(t, err)
		if diff := cmp.Diff(want, byName); diff != "" {
			t.Errorf("%s, by name (-want +got):\n%s", state, diff)
		}
		if diff := cmp.Diff(byName, byIndex); diff != "" {
			t.Errorf("%s, name and index differ:\n%s", state, diff)
		}
	}
	check("up")

	must(t, vishnl.LinkSetDown(linkNamed(t, "v1")))
	want.Carrier, want.Oper = false, "lowerlayerdown"
	check("the other end is down")

	must(t, vishnl.LinkSetDown(veth))
	want.Up, want.Oper = false, "down"
	check("down")
}

func TestLinkLoopback(t *testing.T) {
	enterNetNS(t)
	got, err := LinkByName("lo")
	must(t, err)
	want := &evidence.Link{Name: "lo", Index: 1, Exists: true, Up: true, Carrier: true, Oper: "unknown", Loopback: true, MTU: 65536}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLinkAbsent(t *testing.T) {
	enterNetNS(t)
	for _, name := range []string{"nope", "a-name-longer-than-any-interface", string(make([]byte, 4000))} {
		if l, err := LinkByName(name); err != nil || l.Exists {
			t.Errorf("LinkByName(%.40q): %+v, %v", name, l, err)
		}
	}
	if l, err := LinkByIndex(4711); err != nil || l.Exists || l.Index != 4711 {
		t.Errorf("LinkByIndex: %+v, %v", l, err)
	}
}

func TestLinkAlternativeName(t *testing.T) {
	enterNetNS(t)
	veth := addVeth(t, "v0", "v1")
	const long = "a-name-longer-than-fifteen-octets"
	must(t, vishnl.LinkAddAltName(veth, long))
	if l, err := LinkByName(long); err != nil || !l.Exists || l.Name != "v0" {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestLinksDown(t *testing.T) {
	enterNetNS(t)
	addVeth(t, "v0", "v1", "192.0.2.1/24")
	addVeth(t, "v2", "v3", "198.51.100.1/24", "198.51.100.2/25")
	for _, name := range []string{"v1", "v2"} { // v1 takes v0's carrier, which leaves its routes
		must(t, vishnl.LinkSetDown(linkNamed(t, name)))
	}
	down, err := LinksDown()
	must(t, err)
	prefixes := make(map[string][]netip.Prefix)
	for _, l := range down {
		prefixes[l.Name] = l.Prefixes
	}
	want := map[string][]netip.Prefix{"v1": nil, "v2": {prefix("198.51.100.1/24"), prefix("198.51.100.2/25")}}
	if diff := cmp.Diff(want, prefixes, byValue); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLinkBadQuestion(t *testing.T) {
	if _, err := LinkByName(""); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
	if _, err := LinkByIndex(-1); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
}

func TestParseLinkBroken(t *testing.T) {
	var l evidence.Link
	if parseLink(make([]byte, syscall.SizeofIfInfomsg-1), &l) || l.Exists {
		t.Error("a short message was taken for a link")
	}
}
