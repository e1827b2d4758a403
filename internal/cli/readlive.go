package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/dialscope/dialscope/internal/cli/story"
	"github.com/dialscope/dialscope/internal/conversation"
	"github.com/dialscope/dialscope/internal/host/capture"
	"github.com/dialscope/dialscope/internal/host/pcapfile"
)

const (
	liveRing = 16 << 20 // octets
	liveSnap = 320      // of a frame: headers, and what an ICMP error quotes
	mostLive = 64       // hosts that the kernel's filter is given; more are chosen here
)

// readLive tells the connections that pass an interface.
func (a *app) readLive(ctx context.Context, o *readOptions) error {
	c := capture.Config{Interface: o.iface, Filter: o.filter(), Snap: liveSnap, Ring: liveRing}
	if o.iface == "any" {
		c.Interface = ""
	}
	if o.write != "" {
		c.Snap = 0
	}
	packets, err := capture.Open(c)
	switch {
	case errors.Is(err, capture.ErrNoPrivilege):
		return fmt.Errorf("--interface: %w: run it as root, or once: sudo setcap cap_net_raw+ep $(command -v dialscope)", err)
	case err != nil && o.iface != "any":
		if _, unknown := net.InterfaceByName(o.iface); unknown != nil {
			return usagef("--interface %q: there is no such interface here: ip link lists them, any is all of them", clip(o.iface))
		}
		return err
	case err != nil:
		return err
	}
	defer packets.Close()
	stop := context.AfterFunc(ctx, packets.Interrupt)
	defer stop()

	r := a.reader(o)
	pass := r.reading()
	lines := conversation.Lines{Lost: r.lost, Idle: r.out.Flush}
	var kept *keeper
	if o.write != "" {
		if kept, err = keep(o.write); err != nil {
			return usagef("--write %q: %v", clip(o.write), pathError(err))
		}
		defer kept.file.Close()
		lines.Frame = kept.frame
	}
	pass.Start(rand.Uint64())
	var until time.Time
	if o.bound > 0 {
		until = time.Now().Add(time.Duration(o.bound))
	}
	if !o.json {
		a.complain(readingOf(o))
	}
	failed := pass.Live(packets, until, lines)
	if err := pass.End(); err != nil && failed == nil {
		failed = err
	}
	if kept != nil {
		if err := kept.end(packets); err != nil && failed == nil {
			failed = fmt.Errorf("--write %q: %w", clip(o.write), pathError(err))
		}
	}
	if err := r.finish(pass); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return nil // ^C is how a live capture ends: no failure
}

func readingOf(o *readOptions) string {
	where := "interface " + o.iface
	if o.iface == "any" {
		where = "all interfaces"
	}
	if o.bound > 0 {
		return fmt.Sprintf("reading %s for %v", where, time.Duration(o.bound))
	}
	return fmt.Sprintf("reading %s until interrupted (^C)", where)
}

// filter is what the kernel can choose already.
func (o *readOptions) filter() capture.Filter {
	p := capture.Packets{Protocol: capture.TCP, Ports: o.ports}
	for _, h := range o.hosts {
		if !h.IsSingleIP() || len(o.hosts) > mostLive {
			p.Hosts = nil
			break
		}
		p.Hosts = append(p.Hosts, h.Addr())
	}
	if len(p.Ports) > mostLive {
		p.Ports = nil
	}
	return capture.Filter{p}
}

// lost tells of packets that the ring had no room for.
func (r *reader) lost(n uint64) {
	if r.o.json {
		_ = r.documentOf(struct {
			Event   string `json:"event"`
			Packets uint64 `json:"packets"`
		}{"lost", n}) // an error stays in r.out
		return
	}
	fmt.Fprint(r.out, story.Lost(r.style, n))
}

// keeper writes what is captured to a file.
type keeper struct {
	file   *os.File
	out    *bufio.Writer
	ng     *pcapfile.NgWriter
	number map[int]uint32 // of interfaces, by index
	any    bool
}

func keep(name string) (*keeper, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	k := &keeper{file: f, out: bufio.NewWriterSize(f, 1<<18), number: map[int]uint32{}}
	if k.ng, err = pcapfile.NewNgWriter(k.out, "dialscope read"); err != nil {
		f.Close()
		return nil, err
	}
	return k, nil
}

func (k *keeper) interfaceOf(index int) (uint32, error) {
	if n, known := k.number[index]; known {
		return n, nil
	}
	name := fmt.Sprintf("interface %d", index)
	if i, err := net.InterfaceByIndex(index); err == nil {
		name = i.Name
	}
	n, err := k.ng.Interface(name, capture.LinkType, 0)
	k.number[index], k.any = n, true
	return n, err
}

func (k *keeper) frame(f *capture.Frame) error {
	n, err := k.interfaceOf(f.Interface)
	if err != nil {
		return err
	}
	d := pcapfile.Inbound
	if f.Direction == capture.Out {
		d = pcapfile.Outbound
	}
	return k.ng.Frame(n, time.Duration(f.At.UnixNano()), f.Data, f.Length, d)
}

// end writes what the ring lost, and closes the file.
func (k *keeper) end(packets *capture.Capture) error {
	if !k.any { // a file without an interface is one that some programs refuse
		if _, err := k.ng.Interface("none", capture.LinkType, 0); err != nil {
			return err
		}
	}
	s, err := packets.Stats()
	if err != nil {
		return err
	}
	if err := k.ng.Statistics(0, time.Duration(time.Now().UnixNano()), s.Received, s.Dropped); err != nil {
		return err
	}
	if err := k.out.Flush(); err != nil {
		return err
	}
	return k.file.Close()
}

func pathError(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// documentOf writes a document of its own kind in a line.
func (r *reader) documentOf(document any) error {
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("the answer could not be written as JSON: %w", err)
	}
	_, err = r.out.Write(append(data, '\n'))
	return err
}
