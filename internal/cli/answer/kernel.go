package answer

import (
	"fmt"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// dropped is a kind of packet that this host's kernel threw away.
type dropped struct {
	at    time.Duration // of the first
	text  string
	times int
}

// dropWords tells what the kernel threw away, the like together.
func dropWords(log evidence.Log) []dropped {
	var all []dropped
	for _, e := range log {
		d, is := e.Fact.(*evidence.KernelDrop)
		if !is || d.Reason == "NOT_SPECIFIED" {
			continue
		}
		text := packetWords(d) + " is thrown away by this host's kernel: " + d.Reason
		if d.Location != "" {
			text += " in " + d.Location
		}
		if d.Interface != "" {
			text += " (" + d.Interface + ")"
		}
		known := false
		for i := range all {
			if all[i].text == text {
				all[i].times++
				known = true
			}
		}
		if !known {
			all = append(all, dropped{e.At, text, 1})
		}
	}
	for i := range all {
		if all[i].times > 1 {
			all[i].text += fmt.Sprintf(", %d times", all[i].times)
		}
	}
	return all
}

// packetWords names a packet: "the SYN-ACK from 192.0.2.1".
func packetWords(d *evidence.KernelDrop) string {
	name := "datagram"
	switch {
	case d.Quoted:
		return fmt.Sprintf("an ICMP error (type %d code %d)", d.ICMPType, d.ICMPCode)
	case d.Flags != "":
		name = d.Flags
	case d.Protocol == "tcp":
		name = "packet"
	}
	if d.Direction == evidence.Received {
		return "the " + name + " from " + d.From.String()
	}
	return "the " + name
}
