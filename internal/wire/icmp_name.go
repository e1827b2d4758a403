package wire

import (
	"fmt"
	"strings"
)

// Types of ICMP and ICMPv6 messages (IANA icmp-parameters, icmpv6-parameters).
const (
	EchoReply          = 0
	Unreachable        = 3
	EchoRequest        = 8
	TimeExceeded       = 11
	ParameterProblem   = 12
	V6Unreachable      = 1
	V6PacketTooBig     = 2
	V6TimeExceeded     = 3
	V6ParameterProblem = 4
	V6EchoRequest      = 128
	V6EchoReply        = 129
)

type icmpName struct {
	typ, code uint8
	name      string
}

// icmpNames have the words of RFC 792, RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7.1.
var icmpNames = []icmpName{
	{EchoReply, 0, "echo-reply"},
	{Unreachable, 0, "net-unreachable"},
	{Unreachable, 1, "host-unreachable"},
	{Unreachable, 2, "protocol-unreachable"},
	{Unreachable, 3, "port-unreachable"},
	{Unreachable, 4, "fragmentation-needed"},
	{Unreachable, 5, "source-route-failed"},
	{Unreachable, 6, "net-unknown"},
	{Unreachable, 7, "host-unknown"},
	{Unreachable, 8, "source-isolated"},
	{Unreachable, 9, "net-prohibited"},
	{Unreachable, 10, "host-prohibited"},
	{Unreachable, 11, "net-tos-unreachable"},
	{Unreachable, 12, "host-tos-unreachable"},
	{Unreachable, 13, "admin-prohibited"},
	{Unreachable, 14, "precedence-violation"},
	{Unreachable, 15, "precedence-cutoff"},
	{EchoRequest, 0, "echo-request"},
	{TimeExceeded, 0, "time-exceeded"},
	{TimeExceeded, 1, "reassembly-time-exceeded"},
	{ParameterProblem, 0, "parameter-problem"},
}

// icmp6Names have the words of RFC 4443 and, where a message has the meaning of
// one of ICMP's, that one's name as well.
var icmp6Names = []icmpName{
	{V6Unreachable, 0, "no-route"},
	{V6Unreachable, 0, "net-unreachable"},
	{V6Unreachable, 1, "admin-prohibited"},
	{V6Unreachable, 2, "beyond-scope"},
	{V6Unreachable, 3, "address-unreachable"},
	{V6Unreachable, 3, "host-unreachable"},
	{V6Unreachable, 4, "port-unreachable"},
	{V6Unreachable, 5, "policy-failed"},
	{V6Unreachable, 6, "reject-route"},
	{V6PacketTooBig, 0, "packet-too-big"},
	{V6PacketTooBig, 0, "fragmentation-needed"},
	{V6TimeExceeded, 0, "time-exceeded"},
	{V6TimeExceeded, 1, "reassembly-time-exceeded"},
	{V6ParameterProblem, 0, "parameter-problem"},
	{V6ParameterProblem, 1, "next-header-unknown"},
	{V6ParameterProblem, 2, "option-unknown"},
	{V6EchoRequest, 0, "echo-request"},
	{V6EchoReply, 0, "echo-reply"},
}

// ICMPNumber finds the type and code that a name such as "host-unreachable" has
// in a protocol, ICMPv4 or ICMPv6.
func ICMPNumber(p Protocol, name string) (typ, code uint8, ok bool) {
	for _, n := range namesOf(p) {
		if n.name == name {
			return n.typ, n.code, true
		}
	}
	return 0, 0, false
}

// ICMPName names a type and code, "type T code C" where there is no name.
func ICMPName(p Protocol, typ, code uint8) string {
	for _, n := range namesOf(p) {
		if n.typ == typ && n.code == code {
			return n.name
		}
	}
	return fmt.Sprintf("type %d code %d", typ, code)
}

func namesOf(p Protocol) []icmpName {
	if p == ICMPv6 {
		return icmp6Names
	}
	return icmpNames
}

func (i *ICMPView) summary(s *strings.Builder, p Protocol) {
	fmt.Fprintf(s, "%v %s", p, ICMPName(p, i.Type, i.Code))
	switch {
	case !i.IsError(p):
		fmt.Fprintf(s, ", id %d, seq %d, length %d", i.Rest>>16, i.Rest&0xffff, len(i.Body))
		return
	case p == ICMPv4 && i.Type == Unreachable && i.Code == 4:
		fmt.Fprintf(s, ", mtu %d", i.Rest&0xffff)
	case p == ICMPv6 && i.Type == V6PacketTooBig:
		fmt.Fprintf(s, ", mtu %d", i.Rest)
	}
	if q := Look(i.Body); q.Src.IsValid() {
		fmt.Fprintf(s, ", quoting %v %v > %v", q.Protocol, q.Src, q.Dst)
		if t, ok := ParseQuotedTCP(q.Payload); ok && q.Protocol == TCP {
			fmt.Fprintf(s, " ports %d > %d seq %d", t.SrcPort, t.DstPort, t.Seq)
		}
	}
}
