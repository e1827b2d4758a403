package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// longest is how many elements of a nameless set are written.
const longest = 8

// Text writes a rule much as nft(8) does, with the sets of its ruleset. What is
// not known here stands with its expression's name only.
func (r *Ruleset) Text(rule *Rule) string {
	p := printer{Ruleset: r, rule: rule, fields: map[int]field{}}
	for i := range rule.Exprs {
		p.expression(&rule.Exprs[i])
	}
	if rule.Note != "" {
		p.parts = append(p.parts, "comment "+strconv.Quote(rule.Note))
	}
	return strings.Join(p.parts, " ")
}

// describe names what stands in a register after some of a rule's expressions.
func describe(rule *Rule, before int, reg uint32) string {
	p := printer{Ruleset: new(Ruleset), rule: rule, fields: map[int]field{}}
	for i := range rule.Exprs[:before] {
		p.expression(&rule.Exprs[i])
	}
	at, _ := place(reg)
	if f, is := p.fields[at]; is {
		return f.name
	}
	return "a computed value"
}

// field is what a register holds: its name and how its values are written.
type field struct {
	name  string
	write func(v []byte) string
	mask  []byte
	size  int // the field's length in octets, of which the register may hold the first
}

type printer struct {
	*Ruleset
	rule   *Rule
	fields map[int]field // by the register's place
	parts  []string
}

func (p *printer) at(reg uint32) field {
	at, _ := place(reg)
	if f, is := p.fields[at]; is {
		return f
	}
	return field{name: "@register", write: hex}
}

func (p *printer) hold(reg uint32, f field) {
	if at, ok := place(reg); ok {
		p.fields[at] = f
	}
}

func (p *printer) say(format string, args ...any) {
	p.parts = append(p.parts, fmt.Sprintf(format, args...))
}

func (p *printer) expression(e *Expr) {
	d := e.Data
	switch e.Name {
	case "meta":
		p.meta(d)
	case "payload":
		p.payload(d)
	case "ct":
		if _, sets := number(d, ctSreg); !sets {
			p.hold(n32(d, ctDreg), ctField(n32(d, ctKey)))
		} else {
			p.say("ct set")
		}
	case "bitwise":
		f := p.at(n32(d, bitwiseSreg))
		if f.mask = value(d, bitwiseMask); n32(d, bitwiseOp) != 0 {
			f = field{name: f.name + " computed", write: hex}
		}
		p.hold(n32(d, bitwiseDreg), f)
	case "byteorder":
		p.hold(n32(d, byteorderDreg), p.at(n32(d, byteorderSreg)))
	case "cmp":
		p.compare(p.at(n32(d, cmpSreg)), n32(d, cmpOp), value(d, cmpData))
	case "range":
		f, not := p.at(n32(d, rangeSreg)), ""
		if n32(d, rangeOp) != 0 {
			not = "!= "
		}
		p.say("%s %s%s-%s", f.name, not, f.write(value(d, rangeFrom)), f.write(value(d, rangeTo)))
	case "lookup":
		p.lookup(d)
	case "immediate":
		if n32(d, immediateDreg) == 0 {
			p.say("%s", verdictText(readVerdict(attribute(attribute(d, immediateData), dataVerdict))))
		} else {
			p.hold(n32(d, immediateDreg), field{name: hex(value(d, immediateData)), write: hex})
		}
	case "reject":
		p.say("%s", p.reject(d))
	case "match", "target":
		p.say("xt %s %q", e.Name, text(attribute(d, xtName)))
	case "nat":
		p.say("%s", map[bool]string{false: "snat", true: "dnat"}[n32(d, natType) != 0])
	case "masq":
		p.say("masquerade")
	case "redir":
		p.say("redirect")
	default:
		p.say("%s", e.Name)
	}
}

func verdictText(a action) string {
	switch a.kind {
	case accepts:
		return "accept"
	case drops:
		return "drop"
	case queues:
		return "queue"
	case returns:
		return "return"
	case jumps:
		return "jump " + a.chain
	case goes:
		return "goto " + a.chain
	}
	return "continue"
}

func (p *printer) reject(d []byte) string {
	switch code := n32(d, rejectType); {
	case code == 1: // NFT_REJECT_TCP_RST
		return "reject with tcp reset"
	default:
		c := attribute(d, rejectCode)
		if len(c) == 0 {
			return "reject"
		}
		return fmt.Sprintf("reject with %s code %d", map[bool]string{false: "icmp", true: "icmpx"}[code == 2], c[0])
	}
}

var metaFields = map[uint32]field{
	metaProtocol: {name: "meta protocol", write: hex},
	metaMark:     {name: "meta mark", write: nativeHex},
	metaIIF:      {name: "iif", write: native},
	metaOIF:      {name: "oif", write: native},
	metaIIFName:  {name: "iifname", write: quoted},
	metaOIFName:  {name: "oifname", write: quoted},
	metaSKUID:    {name: "meta skuid", write: native},
	metaSKGID:    {name: "meta skgid", write: native},
	metaNFProto:  {name: "meta nfproto", write: familyName},
	metaL4Proto:  {name: "meta l4proto", write: protocolName},
}

func (p *printer) meta(d []byte) {
	key := n32(d, metaKey)
	f, known := metaFields[key]
	if !known {
		f = field{name: fmt.Sprintf("meta %d", key), write: hex}
	}
	if reg, sets := number(d, metaSreg); sets {
		if key != metaNFTrace {
			p.say("%s set %s", f.name, p.at(reg).name)
		}
		return
	}
	p.hold(n32(d, metaDreg), f)
}

// The fields of the headers that rules are mostly about.
var headerFields = []struct {
	base, offset, size int
	v4, v6             bool
	field
}{
	{1, 12, 4, true, false, field{name: "ip saddr", write: address}},
	{1, 16, 4, true, false, field{name: "ip daddr", write: address}},
	{1, 9, 1, true, false, field{name: "ip protocol", write: protocolName}},
	{1, 8, 1, true, false, field{name: "ip ttl", write: decimal}},
	{1, 8, 16, false, true, field{name: "ip6 saddr", write: address}},
	{1, 24, 16, false, true, field{name: "ip6 daddr", write: address}},
	{1, 6, 1, false, true, field{name: "ip6 nexthdr", write: protocolName}},
	{1, 7, 1, false, true, field{name: "ip6 hoplimit", write: decimal}},
	{2, 0, 2, true, true, field{name: "sport", write: decimal}},
	{2, 2, 2, true, true, field{name: "dport", write: decimal}},
	{2, 13, 1, true, true, field{name: "tcp flags", write: hex}},
}

func (p *printer) payload(d []byte) {
	base, offset, size := int(n32(d, payloadBase)), int(int32(n32(d, payloadOffset))), int(n32(d, payloadLen))
	f := field{name: fmt.Sprintf("@%s,%d,%d", map[int]string{0: "ll", 1: "nh", 2: "th"}[base], offset*8, size*8), write: hex}
	v4, v6 := p.families()
	for _, h := range headerFields {
		exact := h.size == size || h.size > 2 && size < h.size
		if h.base == base && h.offset == offset && exact && (h.v4 && v4 || h.v6 && v6) {
			f = h.field
			f.size = h.size
			break
		}
	}
	switch {
	case base == 2 && (f.name == "sport" || f.name == "dport"):
		f.name = p.swallow("meta l4proto ", "ip protocol ", "ip6 nexthdr ") + " " + f.name
	case base == 2:
		p.swallow("meta l4proto ")
	case base == 1 && f.size > 0:
		p.swallow("meta nfproto ")
	}
	if _, sets := number(d, payloadSreg); sets {
		p.say("%s set", f.name)
		return
	}
	p.hold(n32(d, payloadDreg), f)
}

// swallow takes off a selector that the next one implies, and gives its value.
func (p *printer) swallow(prefixes ...string) string {
	if n := len(p.parts); n > 0 {
		for _, prefix := range prefixes {
			if v, is := strings.CutPrefix(p.parts[n-1], prefix); is && !strings.Contains(v, " ") {
				p.parts = p.parts[:n-1]
				return v
			}
		}
	}
	return "th"
}

// families says which a rule's network header can be.
func (p *printer) families() (v4, v6 bool) {
	switch p.rule.Family {
	case IPv4:
		return true, false
	case IPv6:
		return false, true
	}
	six := slices.Contains(p.parts, "meta nfproto ipv6")
	return !six, six
}

func ctField(key uint32) field {
	if key == ctState {
		return field{name: "ct state", write: states}
	}
	return field{name: fmt.Sprintf("ct %d", key), write: hex}
}

func (p *printer) compare(f field, op uint32, v []byte) {
	operator := map[uint32]string{0: "", 1: "!= ", 2: "< ", 3: "<= ", 4: "> ", 5: ">= "}[op]
	zero := !slices.ContainsFunc(v, func(b byte) bool { return b != 0 })
	switch bits, prefix := ones(f.mask); {
	case f.mask != nil && f.name == "ct state" && zero:
		// Masked, and any bit left.
		p.say("%s %s%s", f.name, map[uint32]string{0: "!= ", 1: ""}[op], f.write(f.mask))
	case f.mask != nil && prefix && f.size > 2:
		p.say("%s %s%s/%d", f.name, operator, f.write(v), bits)
	case f.mask != nil:
		if op == 0 {
			operator = "== "
		}
		p.say("%s & %s %s%s", f.name, hex(f.mask), operator, f.write(v))
	case f.size > len(v) && len(v) > 0:
		whole := make([]byte, f.size)
		copy(whole, v)
		p.say("%s %s%s/%d", f.name, operator, f.write(whole), 8*len(v))
	case op == 3 && p.ends(f.name+" >= "):
		last := &p.parts[len(p.parts)-1]
		*last = f.name + " " + strings.TrimPrefix(*last, f.name+" >= ") + "-" + f.write(v)
	default:
		p.say("%s %s%s", f.name, operator, f.write(v))
	}
}

// ends says that the last part begins so.
func (p *printer) ends(prefix string) bool {
	return len(p.parts) > 0 && strings.HasPrefix(p.parts[len(p.parts)-1], prefix)
}

// ones counts the leading bits of a mask; prefix is false where others follow.
func ones(mask []byte) (n int, prefix bool) {
	ended := false
	for _, m := range mask {
		for bit := 7; bit >= 0; bit-- {
			switch set := m>>bit&1 == 1; {
			case set && ended:
				return 0, false
			case set:
				n++
			default:
				ended = true
			}
		}
	}
	return n, true
}

func (p *printer) lookup(d []byte) {
	name, f := text(attribute(d, lookupSet)), p.at(n32(d, lookupSreg))
	dreg, maps := number(d, lookupDreg)
	not := ""
	if n32(d, lookupFlags)&1 != 0 {
		not = "!= "
	}
	word := ""
	if maps && dreg == 0 {
		word = "vmap "
	} else if maps {
		word = "map "
	}
	s := p.set(p.rule.Family, p.rule.Table, name)
	if s == nil || !strings.HasPrefix(name, "__") || s.interval() || len(s.Fields) > 1 {
		p.say("%s %s%s@%s", f.name, not, word, name)
	} else {
		var all []string
		for i, e := range s.Elements {
			if i == longest {
				all = append(all, "…")
				break
			}
			one := f.write(e.Key)
			if e.Flags&elementCatchAll != 0 {
				one = "*"
			}
			if e.Verdict != nil {
				one += " : " + verdictText(*e.Verdict)
			}
			all = append(all, one)
		}
		p.say("%s %s%s{ %s }", f.name, not, word, strings.Join(all, ", "))
	}
	if maps && dreg != 0 {
		p.hold(dreg, field{name: f.name + " map @" + name, write: hex})
	}
}

func hex(v []byte) string { return fmt.Sprintf("0x%x", v) }

func decimal(v []byte) string {
	n := uint64(0)
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return strconv.FormatUint(n, 10)
}

func native(v []byte) string {
	if len(v) < 4 {
		return hex(v)
	}
	return strconv.FormatUint(uint64(binary.NativeEndian.Uint32(v)), 10)
}

func nativeHex(v []byte) string {
	if len(v) < 4 {
		return hex(v)
	}
	return fmt.Sprintf("0x%x", binary.NativeEndian.Uint32(v))
}

// quoted is an interface's name; one that is no 16 octets long is a beginning.
func quoted(v []byte) string {
	name := text(v)
	if len(v) < 16 && len(name) == len(v) {
		name += "*"
	}
	return strconv.Quote(name)
}

func address(v []byte) string {
	if a, ok := netip.AddrFromSlice(v); ok {
		return a.String()
	}
	return hex(v)
}

func protocolName(v []byte) string {
	if len(v) == 1 {
		if name := map[byte]string{1: "icmp", tcp: "tcp", udp: "udp", 58: "ipv6-icmp", 132: "sctp"}[v[0]]; name != "" {
			return name
		}
	}
	return decimal(v)
}

func familyName(v []byte) string {
	if len(v) == 1 {
		if name := map[byte]string{byte(IPv4): "ipv4", byte(IPv6): "ipv6"}[v[0]]; name != "" {
			return name
		}
	}
	return decimal(v)
}

func states(v []byte) string {
	if len(v) < 4 {
		return hex(v)
	}
	n, names := binary.NativeEndian.Uint32(v), []string(nil)
	for bit, name := range []string{"invalid", "established", "related", "new"} {
		if n>>bit&1 == 1 {
			names = append(names, name)
		}
	}
	if n&stateUntracked != 0 {
		names = append(names, "untracked")
	}
	if len(names) == 0 {
		return hex(v)
	}
	return strings.Join(names, ",")
}
