//go:build amd64 || arm64

package bpf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// names are the running kernel's names for the numbers of an enum: they are
// not the same in every version.
type names map[uint32]string

// namesOf reads an enum without the prefix that its names share.
func namesOf(types *btf.Spec, enum, prefix string) names {
	var e *btf.Enum
	if err := types.TypeByName(enum, &e); err != nil {
		return names{}
	}
	n := make(names, len(e.Values))
	for _, v := range e.Values {
		if name, has := strings.CutPrefix(v.Name, prefix); has {
			n[uint32(v.Value)] = name
		}
	}
	return n
}

// of names a reason. One of another subsystem has its number in the high half
// (SKB_DROP_REASON_SUBSYS_MASK), and its names in a module.
func (n names) of(reason uint32) string {
	if name, known := n[reason]; known {
		return name
	}
	name := fmt.Sprintf("%d", reason)
	if sub := reason >> 16; sub != 0 {
		name = fmt.Sprintf("SUBSYSTEM_%d_%d", sub, reason&0xffff)
	}
	n[reason] = name
	return name
}

// mask has a bit for each of the reasons that the kernel has, of the first 256.
func (n names) mask(reasons []string) (bits [4]uint64) {
	for reason, name := range n {
		if reason < 256 && slices.Contains(reasons, name) {
			bits[reason>>6] |= 1 << (reason & 63)
		}
	}
	return bits
}
