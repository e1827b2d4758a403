package filter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Attributes of the expressions (linux/netfilter/nf_tables.h).
const (
	immediateDreg, immediateData = 1, 2

	cmpSreg, cmpOp, cmpData = 1, 2, 3

	bitwiseSreg, bitwiseDreg, bitwiseLen, bitwiseMask, bitwiseXor, bitwiseOp = 1, 2, 3, 4, 5, 6

	byteorderSreg, byteorderDreg, byteorderLen, byteorderSize = 1, 2, 4, 5

	lookupSet, lookupSreg, lookupDreg, lookupFlags = 1, 2, 3, 5

	rangeSreg, rangeOp, rangeFrom, rangeTo = 1, 2, 3, 4

	payloadDreg, payloadBase, payloadOffset, payloadLen, payloadSreg = 1, 2, 3, 4, 5

	metaDreg, metaKey, metaSreg = 1, 2, 3

	ctDreg, ctKey, ctDirection, ctSreg = 1, 2, 3, 4

	natType = 1

	xtName = 1

	objrefType = 1

	rejectType, rejectCode = 1, 2
)

// Keys of meta and of ct.
const (
	metaProtocol = 1
	metaMark     = 3
	metaIIF      = 4
	metaOIF      = 5
	metaIIFName  = 6
	metaOIFName  = 7
	metaSKUID    = 10
	metaSKGID    = 11
	metaNFTrace  = 12
	metaNFProto  = 15
	metaL4Proto  = 16

	ctState = 0
	ctDir   = 1
)

// trial is one rule being tried.
type trial struct {
	*evaluation
	rule    *Rule
	sure    bool // the packet comes to this rule for certain
	fits    truth
	why     []string // what could not be decided
	regs    registers
	actions []action
	at      int // the expression
}

// registers are those of enum nft_registers, 16 octets each, or 4 of them
// addressed in words. Nothing is known of them at first.
type registers struct{ val, known [64]byte }

// place is where a register begins; false for the verdict's.
func place(reg uint32) (int, bool) {
	switch {
	case 1 <= reg && reg <= 4: // NFT_REG_1
		return int(reg-1) * 16, true
	case 8 <= reg && reg < 24: // NFT_REG32_00
		return int(reg-8) * 4, true
	}
	return 0, false
}

func (r *registers) load(reg uint32, n int) bits {
	at, ok := place(reg)
	if !ok || n < 0 || at+n > len(r.val) {
		return obscure(max(0, min(n, len(r.val))))
	}
	return bits{bytes.Clone(r.val[at : at+n]), bytes.Clone(r.known[at : at+n])}
}

// store writes octets, and zeroes to the end of the word (nft_reg_store8).
func (r *registers) store(reg uint32, b bits) {
	at, ok := place(reg)
	if !ok {
		return
	}
	for i := range (len(b.val) + 3) &^ 3 {
		if at+i >= len(r.val) {
			return
		}
		if i < len(b.val) {
			r.val[at+i], r.known[at+i] = b.val[i], b.known[i]
		} else {
			r.val[at+i], r.known[at+i] = 0, 0xff
		}
	}
}

// run asks the expressions until one does not fit or gives a verdict.
func (t *trial) run() {
	for i := range t.rule.Exprs {
		t.at = i
		t.one(&t.rule.Exprs[i])
		if t.fits == no || len(t.actions) > 0 {
			return
		}
	}
}

// need is a selector's answer.
func (t *trial) need(answer truth, what string) {
	switch answer {
	case no:
		t.fits = no
	case perhaps:
		t.fits = min(t.fits, perhaps)
		t.unsure(what)
	}
}

// ask is need for what stands in a register.
func (t *trial) ask(answer truth, reg uint32) {
	if answer == perhaps {
		t.need(answer, describe(t.rule, t.at, reg))
	} else {
		t.need(answer, "")
	}
}

func (t *trial) unsure(what string) {
	if !slices.Contains(t.why, what) {
		t.why = append(t.why, what)
	}
}

// certain says that the packet changes here for sure.
func (t *trial) certain() bool { return t.sure && t.fits == yes }

func (t *trial) one(e *Expr) {
	d := e.Data
	switch e.Name {
	case "immediate":
		t.immediate(d)
	case "cmp":
		data := value(d, cmpData)
		t.ask(compare(t.regs.load(n32(d, cmpSreg), len(data)), n32(d, cmpOp), data), n32(d, cmpSreg))
	case "range":
		from, to := value(d, rangeFrom), value(d, rangeTo)
		in := within(t.regs.load(n32(d, rangeSreg), len(from)), from, to)
		if n32(d, rangeOp) != 0 {
			in = in.not()
		}
		t.ask(in, n32(d, rangeSreg))
	case "bitwise":
		t.bitwise(d)
	case "byteorder":
		t.byteorder(d)
	case "meta":
		t.meta(d)
	case "payload":
		t.payload(d)
	case "ct":
		t.ct(d)
	case "lookup":
		t.lookup(d)
	case "reject":
		t.actions = []action{{kind: rejects}}
	case "queue":
		t.actions = []action{{kind: queues}}
	case "synproxy":
		t.actions = []action{{kind: queues}}
	case "masq":
		t.translate(false)
		t.actions = []action{{kind: accepts}}
	case "redir", "tproxy":
		t.translate(true)
		t.actions = []action{{kind: accepts}}
	case "nat":
		t.translate(n32(d, natType) != 0) // NFT_NAT_SNAT
		t.actions = []action{{kind: accepts}}
	case "notrack":
		if t.certain() {
			t.state = exactly(native32(stateUntracked))
		} else {
			t.state = obscure(4)
		}
	case "objref":
		if kind := n32(d, objrefType); kind != 1 { // NFT_OBJECT_COUNTER
			t.need(perhaps, "a stateful object")
		}
	case "counter", "log", "last", "dup", "flow_offload":
	case "match":
		if name := text(attribute(d, xtName)); name != "comment" {
			t.need(perhaps, "iptables match "+name)
		}
	case "target":
		t.target(text(attribute(d, xtName)))
	default:
		// Unknown here, or what it says depends on other packets and on the
		// clock: limit, quota, connlimit, numgen, fib, socket, osf, dynset.
		t.need(perhaps, e.Name)
		t.regs = registers{} // it may have written any
	}
}

func (t *trial) immediate(d []byte) {
	if n32(d, immediateDreg) == 0 {
		a := readVerdict(attribute(attribute(d, immediateData), dataVerdict))
		if a.kind != goesOn {
			t.actions = []action{a}
		}
		return
	}
	t.regs.store(n32(d, immediateDreg), exactly(value(d, immediateData)))
}

// compare is nft_cmp_eval: octet by octet, the first one weighs most.
func compare(b bits, op uint32, v []byte) truth {
	const eq, neq, lt, lte, gt, gte = 0, 1, 2, 3, 4, 5
	low, high := bytes.Compare(b.low(), v), bytes.Compare(b.high(), v)
	between := func(all, some bool) truth {
		switch {
		case all:
			return yes
		case some:
			return perhaps
		}
		return no
	}
	switch op {
	case eq:
		return b.equal(v)
	case neq:
		return b.equal(v).not()
	case lt:
		return between(high < 0, low < 0)
	case lte:
		return between(high <= 0, low <= 0)
	case gt:
		return between(low > 0, high > 0)
	case gte:
		return between(low >= 0, high >= 0)
	}
	return perhaps
}

// within says that octets lie in a range, its ends included.
func within(b bits, from, to []byte) truth {
	return min(compare(b, 5, from), compare(b, 3, to))
}

func (t *trial) bitwise(d []byte) {
	n := int(n32(d, bitwiseLen))
	mask, xor := value(d, bitwiseMask), value(d, bitwiseXor)
	b := t.regs.load(n32(d, bitwiseSreg), n)
	if n32(d, bitwiseOp) != 0 || len(mask) != n || len(xor) != n || len(b.val) != n {
		t.regs.store(n32(d, bitwiseDreg), obscure(max(0, min(n, 64)))) // a shift, or of two registers
		return
	}
	for i := range n {
		b.known[i] |= ^mask[i]
		b.val[i] = (b.val[i]&mask[i] ^ xor[i]) & b.known[i]
	}
	t.regs.store(n32(d, bitwiseDreg), b)
}

func (t *trial) byteorder(d []byte) {
	n, size := int(n32(d, byteorderLen)), int(n32(d, byteorderSize))
	b := t.regs.load(n32(d, byteorderSreg), n)
	if size != 2 && size != 4 && size != 8 {
		b = obscure(len(b.val))
	}
	if native32(1)[0] == 1 { // ntohl and htonl are the same, and nothing on a big-endian host
		for i := 0; i+size <= len(b.val); i += size {
			slices.Reverse(b.val[i : i+size])
			slices.Reverse(b.known[i : i+size])
		}
	}
	t.regs.store(n32(d, byteorderDreg), b)
}

func (t *trial) meta(d []byte) {
	if reg, sets := number(d, metaSreg); sets {
		t.setMeta(n32(d, metaKey), reg)
		return
	}
	t.regs.store(n32(d, metaDreg), t.metaValue(n32(d, metaKey)))
}

func (t *trial) setMeta(key, reg uint32) {
	if key != metaMark {
		return
	}
	t.mark = obscure(4)
	if t.certain() {
		t.mark = t.regs.load(reg, 4)
	}
	t.rerouted = true // a chain of type route looks the route up again
}

func (t *trial) metaValue(key uint32) bits {
	outward := t.hook == Output || t.hook == Postrouting || t.hook == Egress
	in, out := !outward, outward && !t.rerouted
	none := t.hook != Postrouting && t.hook != Egress // no other interface is there yet
	switch key {
	case metaProtocol:
		if t.v4() {
			return exactly([]byte{0x08, 0x00}) // ETH_P_IP
		}
		return exactly([]byte{0x86, 0xdd})
	case metaNFProto:
		if t.v4() {
			return exactly([]byte{byte(IPv4)})
		}
		return exactly([]byte{byte(IPv6)})
	case metaL4Proto:
		return exactly([]byte{t.Protocol})
	case metaMark:
		return t.mark
	case metaIIF, metaIIFName:
		return ofInterface(key == metaIIFName, t.In, in, none)
	case metaOIF, metaOIFName:
		return ofInterface(key == metaOIFName, t.Out, out, !outward)
	case metaSKUID:
		if outward {
			return exactly(native32(t.UID))
		}
	case metaSKGID:
		if outward {
			return exactly(native32(t.GID))
		}
	}
	return obscure(16)
}

// ofInterface is an interface's index or name; none: it has none at this hook,
// which is 0 or an empty name (nft_meta_get_eval_ifname).
func ofInterface(byName bool, i Interface, has, none bool) bits {
	switch {
	case has && i.Name == "", !has && !none:
		return obscure(16)
	case !has:
		i = Interface{}
	}
	if !byName {
		return exactly(native32(uint32(i.Index)))
	}
	name := make([]byte, 16) // IFNAMSIZ
	copy(name[:15], i.Name)
	return exactly(name)
}

func (t *trial) payload(d []byte) {
	const network, transport = 1, 2
	var header *bits
	switch n32(d, payloadBase) {
	case network:
		header = &t.network
	case transport:
		header = &t.transport
	}
	at, n := int(int32(n32(d, payloadOffset))), int(n32(d, payloadLen))
	if n < 0 || n > 64 {
		n = 0
	}
	if reg, sets := number(d, payloadSreg); sets {
		if header == nil {
			return
		}
		v := obscure(n)
		if t.certain() {
			v = t.regs.load(reg, n)
		}
		for i := range v.val {
			if k := at + i; k >= 0 && k < len(header.val) {
				header.val[k], header.known[k] = v.val[i], v.known[i]
			}
		}
		return
	}
	v := obscure(n)
	if header != nil {
		v = header.part(at, n)
	}
	t.regs.store(n32(d, payloadDreg), v)
}

func (t *trial) ct(d []byte) {
	if _, sets := number(d, ctSreg); sets {
		return
	}
	v := obscure(16)
	switch n32(d, ctKey) {
	case ctState:
		v = t.tracked()
	case ctDir:
		v = exactly([]byte{0})
		if t.Answer {
			v = exactly([]byte{1})
		}
	}
	t.regs.store(n32(d, ctDreg), v)
}

// tracked is conntrack's state of the packet at this chain. Before conntrack
// has looked, a packet that comes or is made is invalid (nft_ct_get_eval).
func (t *trial) tracked() bits {
	first := t.hook == Output || t.hook == Prerouting || t.hook == Ingress
	switch {
	case first && t.priority == conntrackPriority:
		return obscure(4)
	case first && t.priority < conntrackPriority:
		if !t.state.sure() || binary.NativeEndian.Uint32(t.state.val) == stateUntracked {
			return t.state
		}
		if t.hook == Output {
			return exactly(native32(stateInvalid))
		}
		return obscure(4) // on the loopback conntrack has seen it
	}
	return t.state
}

func (t *trial) lookup(d []byte) {
	const inverted = 1 // NFT_LOOKUP_F_INV
	s := t.Ruleset.set(t.rule.Family, t.rule.Table, text(attribute(d, lookupSet)))
	reg := n32(d, lookupSreg)
	dreg, maps := number(d, lookupDreg)
	if s == nil {
		t.need(perhaps, "a set that could not be read")
		t.regs = registers{}
		if maps && dreg == 0 {
			t.actions = []action{{kind: unclear}}
		}
		return
	}
	found, elements := s.find(func(n int) bits { return t.regs.load(reg, n) })
	if n32(d, lookupFlags)&inverted != 0 {
		t.ask(found.not(), reg)
		return
	}
	t.ask(found, reg)
	if !maps || found == no {
		return
	}
	if dreg != 0 {
		v := obscure(64 - 48)
		if found == yes && len(elements) == 1 {
			v = exactly(elements[0].Data)
		}
		t.regs.store(dreg, v)
		return
	}
	for _, e := range elements {
		if e.Verdict == nil || e.Verdict.kind == goesOn || slices.Contains(t.actions, *e.Verdict) {
			continue
		}
		t.actions = append(t.actions, *e.Verdict)
	}
	if len(t.actions) > 1 {
		t.ask(perhaps, reg)
	}
}

// target is a target of iptables that nft holds in its own wrapping.
func (t *trial) target(name string) {
	switch name {
	case "LOG", "NFLOG", "TRACE", "AUDIT", "CHECKSUM", "TCPMSS", "CLASSIFY", "IDLETIMER", "LED", "RATEEST":
	case "REJECT":
		t.actions = []action{{kind: rejects}}
	case "MARK", "CONNMARK":
		t.mark, t.rerouted = obscure(4), true
	case "MASQUERADE", "SNAT", "NETMAP":
		t.translate(false)
		t.actions = []action{{kind: accepts}}
	case "DNAT", "REDIRECT", "TPROXY":
		t.translate(true)
		t.actions = []action{{kind: accepts}}
	case "NFQUEUE", "SYNPROXY", "STEAL":
		t.actions = []action{{kind: queues}}
	case "NOTRACK", "CT":
		t.state = obscure(4)
	default:
		t.unsure(fmt.Sprintf("iptables target %s", name))
		t.fits = min(t.fits, perhaps)
		t.actions = []action{{kind: unclear}}
	}
}
