package kernel

import (
	"net"
	"strings"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/bpf"
)

// fact is what an event says, nil for one that says nothing of an attempt.
func fact(ev *bpf.Event) evidence.Fact {
	switch ev.Kind {
	case bpf.Drop:
		return drop(ev, interfaceName(ev.Packet.Index))
	case bpf.Retransmit:
		return &evidence.KernelRetransmit{State: ev.Old.String()}
	case bpf.ResetSent:
		return &evidence.KernelReset{Direction: evidence.Sent, Reason: ev.Reason, State: ev.Old.String()}
	case bpf.ResetReceived:
		return &evidence.KernelReset{Direction: evidence.Received, State: ev.Old.String()}
	}
	return nil
}

// handled are reasons with which the kernel frees a packet that it has made use
// of: they stand for no loss.
var handled = map[string]bool{"CONSUMED": true, "TCP_RESET": true, "TCP_CLOSE": true, "TCP_OLD_DATA": true, "QUEUE_PURGE": true}

func drop(ev *bpf.Event, iface string) evidence.Fact {
	p := &ev.Packet
	if handled[ev.Reason] || !ev.HasPacket && !ev.HasSocket {
		return nil
	}
	d := &evidence.KernelDrop{
		Direction: evidence.Sent, Reason: ev.Reason, Location: ev.Function(), Protocol: "tcp",
		From: ev.Local, To: ev.Remote, Interface: iface,
	}
	if ev.Protocol == 17 {
		d.Protocol = "udp"
	}
	if !ev.HasPacket {
		return d // it has no IP header yet
	}
	d.From, d.To, d.TTL, d.Length, d.Arrived = p.Src, p.Dst, int(p.TTL), int(p.Length), p.Arrived
	switch {
	case p.Quoted:
		d.Direction, d.Quoted, d.ICMPType, d.ICMPCode = evidence.Received, true, int(p.ICMPType), int(p.ICMPCode)
	case p.Src == ev.Remote:
		d.Direction = evidence.Received
	}
	if d.Protocol == "tcp" && !p.Quoted {
		d.Flags = flags(p.Flags)
	}
	return d
}

// flags are the control bits of RFC 9293 §3.1 by name, the SYN and RST first.
func flags(bits uint8) string {
	var set []string
	for _, f := range []struct {
		bit  uint8
		name string
	}{{0x02, "SYN"}, {0x04, "RST"}, {0x01, "FIN"}, {0x10, "ACK"}} {
		if bits&f.bit != 0 {
			set = append(set, f.name)
		}
	}
	return strings.Join(set, "-")
}

// interfaceName is empty for an interface of another network, or none.
func interfaceName(index uint32) string {
	if index == 0 {
		return ""
	}
	i, err := net.InterfaceByIndex(int(index))
	if err != nil {
		return ""
	}
	return i.Name
}
