package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Summary tells a packet in one line as tcpdump(1) would with -n -S: what it is
// and, in brackets at the end, what is wrong with it.
func Summary(b []byte) string {
	v := Look(b)
	var s strings.Builder
	f := v.Verify()
	switch {
	case v.Version == 0:
		fmt.Fprintf(&s, "%d octets", len(b))
	case !v.Src.IsValid():
		fmt.Fprintf(&s, "IPv%d, %d octets", v.Version, len(b))
	default:
		if v.Version == 6 {
			s.WriteString("IP6 ")
		} else {
			s.WriteString("IP ")
		}
		f |= v.summary(&s)
	}
	if f != 0 {
		fmt.Fprintf(&s, " [%v]", f)
	}
	return s.String()
}

func (v *View) summary(s *strings.Builder) Fault {
	ports := func(src, dst uint16) {
		fmt.Fprintf(s, "%v.%d > %v.%d: ", v.Src, src, v.Dst, dst)
	}
	switch {
	case v.Fault&LaterFragment != 0:
		fmt.Fprintf(s, "%v > %v: %v fragment at %d, length %d", v.Src, v.Dst, v.Protocol, v.FragmentOffset, len(v.Payload))
		return 0
	case v.Protocol == TCP && len(v.Payload) >= 4:
		t := LookTCP(v.Payload)
		ports(t.SrcPort, t.DstPort)
		return t.summary(s)
	case v.Protocol == UDP && len(v.Payload) >= 4:
		u := LookUDP(v.Payload)
		ports(u.SrcPort, u.DstPort)
		fmt.Fprintf(s, "UDP, length %d", max(u.Length-udpHeader, 0))
		return u.Fault
	}
	fmt.Fprintf(s, "%v > %v: ", v.Src, v.Dst)
	if v.Protocol == ICMPv4 || v.Protocol == ICMPv6 {
		i := LookICMP(v.Payload)
		i.summary(s, v.Protocol)
		return i.Fault
	}
	fmt.Fprintf(s, "%v, length %d", v.Protocol, len(v.Payload))
	return 0
}

func (t *TCPView) summary(s *strings.Builder) Fault {
	fmt.Fprintf(s, "Flags [%v], seq %d", t.Flags, t.Seq)
	if n := len(t.Payload); n > 0 {
		fmt.Fprintf(s, ":%d", t.Seq+uint32(n))
	}
	if t.Flags&ACK != 0 {
		fmt.Fprintf(s, ", ack %d", t.Ack)
	}
	fmt.Fprintf(s, ", win %d", t.Window)
	if t.Flags&URG != 0 || t.Urgent != 0 {
		fmt.Fprintf(s, ", urg %d", t.Urgent)
	}
	f := t.Fault
	options, err := ParseOptions(t.Options)
	if err != nil {
		f |= BadOptions
	}
	if len(options) > 0 {
		fmt.Fprintf(s, ", options [%v]", options)
	}
	fmt.Fprintf(s, ", length %d", len(t.Payload))
	return f
}

// String lists the options as tcpdump(1) does.
func (o Options) String() string {
	names := make([]string, len(o))
	for i, one := range o {
		names[i] = one.String()
	}
	return strings.Join(names, ",")
}

// String names the option and its value as tcpdump(1) does.
func (o Option) String() string {
	one := Options{o}
	switch o.Kind {
	case NoOperation:
		return "nop"
	case SACKPermitted:
		return "sackOK"
	case MaxSegmentSize:
		if n, ok := one.MSS(); ok {
			return "mss " + strconv.Itoa(int(n))
		}
	case WindowScale:
		if n, ok := one.WindowScale(); ok {
			return "wscale " + strconv.Itoa(int(n))
		}
	case TimestampOption:
		if v, e, ok := one.Timestamps(); ok {
			return fmt.Sprintf("TS val %d ecr %d", v, e)
		}
	case FastOpen:
		if len(o.Data) == 0 {
			return "tfo cookiereq"
		}
		return fmt.Sprintf("tfo cookie %x", o.Data)
	case MD5Signature:
		return fmt.Sprintf("md5 %x", o.Data)
	}
	if len(o.Data) == 0 {
		return fmt.Sprintf("opt-%d", o.Kind)
	}
	return fmt.Sprintf("opt-%d:%x", o.Kind, o.Data)
}
