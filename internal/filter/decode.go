package filter

import (
	"bytes"
	"slices"
)

// Attributes of messages (linux/netfilter/nf_tables.h).
const (
	tableName, tableFlags = 1, 2
	tableDormant          = 1 // NFT_TABLE_F_DORMANT

	chainTable, chainHandle, chainName, chainHook, chainPolicy, chainType = 1, 2, 3, 4, 5, 7
	hookNumber, hookPriority, hookDevice, hookDevices                     = 1, 2, 3, 4

	ruleTable, ruleChain, ruleHandle, ruleExprs, ruleUserdata = 1, 2, 3, 4, 7
	listElement                                               = 1
	exprName, exprData                                        = 1, 2
	userdataComment                                           = 0 // libnftnl, NFTNL_UDATA_RULE_COMMENT

	setTable, setName, setFlags, setDesc = 1, 2, 3, 9
	descConcat                           = 2
	fieldLength                          = 1

	elementsTable, elementsSet, elementsList         = 1, 2, 3
	elementKey, elementData, elementFlags, elementTo = 1, 2, 3, 10

	dataValue, dataVerdict    = 1, 2
	verdictCode, verdictChain = 1, 2

	counterPackets = 2
)

// nfgenmsg is struct nfgenmsg: family, version, resource.
const nfgenmsg = 4

// families whose hooks have the numbers of enum nf_inet_hooks; that of netdev
// has its own.
var hookNames = map[Family]map[uint32]Hook{
	Inet:   {0: Prerouting, 1: Input, 3: Output, 4: Postrouting, 5: Ingress},
	IPv4:   {0: Prerouting, 1: Input, 3: Output, 4: Postrouting},
	IPv6:   {0: Prerouting, 1: Input, 3: Output, 4: Postrouting},
	Netdev: {0: Ingress, 1: Egress},
}

// AddTable adds what an NFT_MSG_NEWTABLE message says, its payload given.
func (r *Ruleset) AddTable(b []byte) {
	if f, b, ok := open(b); ok {
		r.Tables = append(r.Tables, Table{f, text(attribute(b, tableName)), n32(b, tableFlags)&tableDormant != 0})
	}
}

// AddChain adds what an NFT_MSG_NEWCHAIN message says.
func (r *Ruleset) AddChain(b []byte) {
	f, b, ok := open(b)
	if !ok {
		return
	}
	c := &Chain{
		Family: f, Table: text(attribute(b, chainTable)), Name: text(attribute(b, chainName)),
		Handle: n64(attribute(b, chainHandle)), Type: text(attribute(b, chainType)),
	}
	if hook := attribute(b, chainHook); hook != nil {
		number := n32(hook, hookNumber)
		c.Priority = int32(n32(hook, hookPriority))
		if c.Hook = hookNames[f][number]; c.Hook == "" {
			c.Hook = "other" // forward: not for this host's own packets
		}
		policy, has := numberOf(b, chainPolicy)
		c.Drops = has && policy == codeDrop
		if d := text(attribute(hook, hookDevice)); d != "" {
			c.Devices = append(c.Devices, d)
		}
		for _, d := range attributes(attribute(hook, hookDevices)) {
			if name := text(d); !slices.Contains(c.Devices, name) {
				c.Devices = append(c.Devices, name)
			}
		}
	}
	r.Chains = append(r.Chains, c)
}

func numberOf(b []byte, typ int) (int32, bool) {
	n, ok := number(b, typ)
	return int32(n), ok
}

// AddRule adds what an NFT_MSG_NEWRULE message says to its chain, which must
// have been added before.
func (r *Ruleset) AddRule(b []byte) {
	f, b, ok := open(b)
	if !ok {
		return
	}
	one := &Rule{Family: f, Table: text(attribute(b, ruleTable)), Chain: text(attribute(b, ruleChain)), Handle: n64(attribute(b, ruleHandle))}
	c := r.chain(f, one.Table, one.Chain)
	if c == nil {
		return
	}
	for typ, v := range attributes(attribute(b, ruleExprs)) {
		if typ != listElement {
			continue
		}
		e := Expr{Name: text(attribute(v, exprName)), Data: bytes.Clone(attribute(v, exprData))}
		if e.Name == "counter" && !one.Counted {
			one.Counted, one.Packets = true, n64(attribute(e.Data, counterPackets))
		}
		one.Exprs = append(one.Exprs, e)
	}
	one.Note = comment(attribute(b, ruleUserdata))
	c.Rules = append(c.Rules, one)
}

// comment reads a rule's comment from its user data: type, length, value.
func comment(b []byte) string {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		if v := b[2 : 2+int(b[1])]; b[0] == userdataComment {
			return text(v)
		}
		b = b[2+int(b[1]):]
	}
	return ""
}

// AddSet adds what an NFT_MSG_NEWSET message says.
func (r *Ruleset) AddSet(b []byte) {
	f, b, ok := open(b)
	if !ok {
		return
	}
	s := &Set{Family: f, Table: text(attribute(b, setTable)), Name: text(attribute(b, setName)), Flags: n32(b, setFlags)}
	for typ, v := range attributes(attribute(attribute(b, setDesc), descConcat)) {
		if typ == listElement {
			s.Fields = append(s.Fields, int(n32(v, fieldLength)))
		}
	}
	r.Sets = append(r.Sets, s)
}

// maxElements bounds what is read of one set.
const maxElements = 1 << 16

// AddElements adds what an NFT_MSG_NEWSETELEM message says to its set.
func (r *Ruleset) AddElements(b []byte) {
	f, b, ok := open(b)
	if !ok {
		return
	}
	s := r.set(f, text(attribute(b, elementsTable)), text(attribute(b, elementsSet)))
	if s == nil {
		return
	}
	for typ, v := range attributes(attribute(b, elementsList)) {
		if typ != listElement {
			continue
		}
		if len(s.Elements) >= maxElements {
			s.Partial = true
			return
		}
		e := Element{Key: bytes.Clone(value(v, elementKey)), End: bytes.Clone(value(v, elementTo)), Flags: n32(v, elementFlags)}
		if data := attribute(v, elementData); data != nil {
			e.Data = bytes.Clone(attribute(data, dataValue))
			if verdict := attribute(data, dataVerdict); verdict != nil {
				a := readVerdict(verdict)
				e.Verdict = &a
			}
		}
		s.Elements = append(s.Elements, e)
	}
}

// Sort puts the elements of interval sets into the order in which they are
// searched. It is called once, after the last of them was added.
func (r *Ruleset) Sort() {
	for _, s := range r.Sets {
		if s.interval() && len(s.Fields) < 2 {
			slices.SortStableFunc(s.Elements, func(a, b Element) int {
				if c := bytes.Compare(a.Key, b.Key); c != 0 {
					return c
				}
				// Where one interval ends another may begin: the end comes first.
				return int(b.Flags&elementEnd) - int(a.Flags&elementEnd)
			})
		}
	}
}

func open(b []byte) (Family, []byte, bool) {
	if len(b) < nfgenmsg {
		return 0, nil, false
	}
	return Family(b[0]), b[nfgenmsg:], true
}
