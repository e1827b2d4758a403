package nft

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dialscope/dialscope/internal/filter"
	"github.com/dialscope/dialscope/internal/host/netns"
	"github.com/dialscope/dialscope/internal/testmain"
)

var update = flag.Bool("update", false, "record what the kernel lists and does, for the tests of package filter")

func TestMain(m *testing.M) { testmain.Main(m) }

// scene is a ruleset with the packets that are judged by it.
type scene struct {
	Name     string    `json:"name"`
	Rules    string    `json:"rules"`
	Messages []message `json:"messages"`
	Packets  []*packet `json:"packets"`
}

type message struct {
	Kind    string `json:"kind"`
	Payload []byte `json:"payload"`
}

// packet is a line of cases.txt, with what the kernel did.
type packet struct {
	Text     string         `json:"text"`
	Answer   bool           `json:"answer,omitempty"`
	Protocol string         `json:"protocol"`
	Peer     netip.AddrPort `json:"peer"`
	Mark     uint32         `json:"mark,omitempty"`
	Verdict  string         `json:"verdict"`
	Rule     string         `json:"rule,omitempty"`
	Passed   bool           `json:"passed"` // the kernel let it pass
}

func scenes(t *testing.T) (all []*scene) {
	t.Helper()
	data, err := os.ReadFile("testdata/cases.txt")
	if err != nil {
		t.Fatal(err)
	}
	var now *scene
	for n, line := range strings.Split(string(data), "\n") {
		name, begins := strings.CutPrefix(line, "= ")
		switch {
		case begins:
			now = &scene{Name: name}
			all = append(all, now)
		case now == nil || line == "":
		case line[0] == '>' || line[0] == '<':
			p, err := parse(line)
			if err != nil {
				t.Fatalf("line %d: %v", n+1, err)
			}
			now.Packets = append(now.Packets, p)
		default:
			now.Rules += line + "\n"
		}
	}
	return all
}

func parse(line string) (*packet, error) {
	what, then, _ := strings.Cut(line[2:], ": ")
	p := &packet{Text: what, Answer: line[0] == '<'}
	p.Verdict, p.Rule, _ = strings.Cut(then, " ")
	words := strings.Fields(what)
	if len(words) != 2 && len(words) != 4 {
		return nil, fmt.Errorf("%q", line)
	}
	p.Protocol = words[0]
	var err error
	if p.Peer, err = netip.ParseAddrPort(words[1]); err != nil {
		return nil, err
	}
	if len(words) == 4 {
		mark, err := strconv.ParseUint(words[3], 10, 32)
		if err != nil {
			return nil, err
		}
		p.Mark = uint32(mark)
	}
	return p, nil
}

// witness counts the SYNs and datagrams that have passed every other rule on the
// way out. The end of an earlier packet's connection may come late, and a filter
// makes resets.
const witness = `table inet witness { chain post { type filter hook postrouting priority 300; tcp flags & (syn | ack) != syn return; meta l4proto { tcp, udp } counter; }; }`

func nftables(t *testing.T, h *netns.Host, script string) {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		testmain.Check(t, "nft", fmt.Errorf("nft(8) is not installed: %w", errors.ErrUnsupported))
	}
	cmd := exec.Command(path, "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	var said bytes.Buffer
	cmd.Stderr, cmd.Stdout = &said, &said
	if err := h.Do(cmd.Run); err != nil {
		t.Fatalf("nft: %v\n%s%s", err, script, said.String())
	}
}

// TestKernel loads every ruleset of cases.txt, lists it, and sends the packets:
// where the judgement is sure, the kernel does what it says.
func TestKernel(t *testing.T) {
	testmain.Need(t, "netns")
	all := scenes(t)
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			if !*update {
				t.Parallel()
			}
			c, err := netns.NewChain(0)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, a := range []netip.Addr{c.Server4, c.Server6} {
				for _, port := range []uint16{80, 81, 82} {
					l, err := c.Server.Listen("tcp", netip.AddrPortFrom(a, port).String())
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
				}
			}
			for _, p := range s.Packets { // the neighbour is known before rules stand in the way
				if p.Answer || p.Protocol == "tcp" {
					connects(t, c.Client, netip.AddrPortFrom(p.Peer.Addr(), 1), 50*time.Millisecond)
				}
			}
			nftables(t, c.Client, s.Rules+witness)
			var rules *filter.Ruleset
			err = c.Client.Do(func() (err error) {
				rules, err = readSeen(true, func(kind string, payload []byte) {
					s.Messages = append(s.Messages, message{kind, bytes.Clone(payload)})
				})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range s.Packets {
				if p.Answer {
					p.Passed = connects(t, c.Client, p.Peer, 300*time.Millisecond)
				} else {
					p.Passed = leaves(t, c.Client, p)
				}
				src := c.Client4
				if p.Peer.Addr().Is6() {
					src = c.Client6
				}
				j := rules.Judge(p.as(src), p.hooks()...)
				stopped := len(j.Findings) > 0 && j.Findings[0].Sure && j.Findings[0].Verdict != filter.Queue
				if stopped && p.Passed {
					t.Errorf("%s: passed, and was judged %+v", p.Text, j)
				}
				if len(j.Findings) == 0 && !p.Passed {
					t.Errorf("%s: did not pass, and nothing was found: %+v", p.Text, j)
				}
			}
		})
	}
	if *update && !t.Failed() {
		data, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("../../filter/testdata/recorded.json", append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *packet) hooks() []filter.Hook {
	if p.Answer {
		return []filter.Hook{filter.Ingress, filter.Prerouting, filter.Input}
	}
	return []filter.Hook{filter.Output, filter.Postrouting}
}

func (p *packet) as(own netip.Addr) *filter.Packet {
	out := &filter.Packet{Protocol: 17, Src: netip.AddrPortFrom(own, 0), Dst: p.Peer, Mark: p.Mark, Answer: p.Answer}
	if p.Protocol == "tcp" {
		out.Protocol = 6
	}
	if p.Answer {
		out.Src, out.Dst = out.Dst, out.Src
	}
	out.Out = filter.Interface{Name: "eth0", Index: eth0}
	out.In = out.Out
	return out
}

// eth0 is the index of the first interface beside lo in a namespace.
const eth0 = 2

func leaves(t *testing.T, h *netns.Host, p *packet) bool {
	t.Helper()
	before := passed(t, h)
	d := net.Dialer{Timeout: 100 * time.Millisecond, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_MARK, int(p.Mark)) })
	}}
	if p.Protocol == "udp" {
		d.Timeout = 0 // it does not wait, but may be made to
	}
	h.Do(func() error {
		c, err := d.DialContext(context.Background(), p.Protocol+map[bool]string{true: "4", false: "6"}[p.Peer.Addr().Is4()], p.Peer.String())
		if err != nil {
			return err
		}
		defer c.Close()
		if p.Protocol == "udp" {
			_, err = c.Write([]byte("x"))
		}
		return err
	})
	return passed(t, h) > before
}

// passed is what the witness has counted.
func passed(t *testing.T, h *netns.Host) (n uint64) {
	t.Helper()
	err := h.Do(func() error {
		r, err := Read(false)
		if err != nil {
			return err
		}
		for _, c := range r.Chains {
			if c.Table == "witness" {
				n = c.Rules[1].Packets
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func connects(t *testing.T, h *netns.Host, to netip.AddrPort, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c, err := h.DialContext(ctx, "tcp", to.String())
	if err == nil {
		c.Close()
	}
	return err == nil
}

// Without CAP_NET_ADMIN the kernel says EPERM, and so does Read.
func TestPrivilege(t *testing.T) {
	testmain.Need(t, "netns")
	c, err := netns.NewChain(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Client.Do(func() error {
		_, err := Read(true)
		return err
	})
	if err != nil {
		t.Errorf("as the namespace's root: %v", err)
	}
	if slices.Contains(Legacy(), "") {
		t.Error("a table without a name")
	}
}
