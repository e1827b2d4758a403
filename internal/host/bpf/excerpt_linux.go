//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"

	"github.com/cilium/ebpf/btf"
)

// kernelTypes are the running kernel's types, as far as the programs of a
// collection and the tables of names make use of them. The kernel has some
// 130,000, and to index them all costs more than to load the programs.
func kernelTypes(used *btf.Spec) (*btf.Spec, error) {
	raw, done, err := mapFile(typesFile)
	if err != nil {
		return nil, err
	}
	defer done()
	small, err := excerpt(raw, want(used))
	if err != nil {
		return nil, err
	}
	return btf.LoadSpecFromReader(bytes.NewReader(small))
}

// mapFile gives a file's content, by mmap(2) where the file allows it.
func mapFile(path string) (content []byte, done func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if content, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE); err == nil {
			return content, func() { _ = syscall.Munmap(content) }, nil
		}
	}
	content, err = os.ReadFile(path) // before Linux 6.16 the file could not be mapped
	return content, func() {}, err
}

// wanted says what is to be kept.
type wanted struct {
	types   map[string]bool // structures, unions, enums and typedefs, by name
	members map[string]bool // of those; a member without a name is always kept
}

// enums are the tables that are read by name.
var enums = []string{"skb_drop_reason", "sk_rst_reason", "bpf_func_id"}

// want is what programs name: the types and members of kernel.h, the enums, and
// the tracepoints.
func want(used *btf.Spec) wanted {
	w := wanted{map[string]bool{}, map[string]bool{}}
	note := func(members []btf.Member) {
		for _, m := range members {
			w.members[m.Name] = true
		}
	}
	for t, err := range used.All() {
		if err != nil {
			continue
		}
		switch t := t.(type) {
		case *btf.Struct:
			note(t.Members)
		case *btf.Union:
			note(t.Members)
		case *btf.Typedef, *btf.Enum:
		default:
			continue
		}
		name, _, _ := strings.Cut(t.TypeName(), "___") // a flavour (libbpf)
		w.types[name] = true
	}
	delete(w.types, "")
	for _, name := range enums {
		w.types[name] = true
	}
	for _, p := range programs {
		_, event, _ := strings.Cut(p.tracepoint, ":")
		w.types["btf_trace_"+event] = true
	}
	return w
}

// BTF kinds (Documentation/bpf/btf.rst §2.2).
const (
	kindInt = 1 + iota
	kindPtr
	kindArray
	kindStruct
	kindUnion
	kindEnum
	kindFwd
	kindTypedef
	kindVolatile
	kindConst
	kindRestrict
	kindFunc
	kindFuncProto
	kindVar
	kindDatasec
	kindFloat
	kindDeclTag
	kindTypeTag
	kindEnum64
)

var errTypes = errors.New("the kernel's types are not as Documentation/bpf/btf.rst says")

// behind is how many octets follow the twelve that each type begins with; -1: a
// kind that is not known.
func behind(kind, n uint32) int {
	switch kind {
	case kindInt, kindVar, kindDeclTag:
		return 4
	case kindArray:
		return 12
	case kindStruct, kindUnion, kindDatasec, kindEnum64:
		return 12 * int(n)
	case kindEnum, kindFuncProto:
		return 8 * int(n)
	case kindPtr, kindFwd, kindTypedef, kindVolatile, kindConst, kindRestrict, kindFunc, kindFloat, kindTypeTag:
		return 0
	}
	return -1
}

// writer copies types of one BTF into another.
type writer struct {
	wanted
	types, names []byte            // of the kernel
	at           []uint32          // where each type begins, by its id; the first is void
	out, outName []byte            // types and names of the excerpt
	nameAt       map[string]uint32 // of outName
	made         map[uint32]uint32 // the excerpt's ids by the kernel's
	depth        int
}

// excerpt keeps of a BTF (in this machine's byte order) the wanted types with
// what they hold by value. A pointer becomes one to void: the programs read
// where it leads in a step of its own. Sizes and offsets stay as they are.
func excerpt(raw []byte, keep wanted) ([]byte, error) {
	const headerSize = 24
	ne := binary.NativeEndian
	if len(raw) < headerSize || ne.Uint16(raw) != 0xeb9f {
		return nil, errTypes
	}
	var part [5]uint64 // hdr_len, type_off, type_len, str_off, str_len
	for i := range part {
		part[i] = uint64(ne.Uint32(raw[4+4*i:]))
	}
	section := func(off, length uint64) []byte {
		if off += part[0]; off+length > uint64(len(raw)) {
			return nil
		}
		return raw[off:][:length]
	}
	w := &writer{wanted: keep, types: section(part[1], part[2]), names: section(part[3], part[4]),
		outName: []byte{0}, nameAt: map[string]uint32{"": 0}, made: map[uint32]uint32{0: 0}}
	roots, err := w.walk()
	if err != nil {
		return nil, err
	}
	for _, id := range roots {
		if _, err := w.copy(id); err != nil {
			return nil, err
		}
	}
	head := ne.AppendUint16(nil, 0xeb9f)
	head = append(head, 1, 0) // version, flags
	for _, n := range []int{headerSize, 0, len(w.out), len(w.out), len(w.outName)} {
		head = ne.AppendUint32(head, uint32(n))
	}
	return append(append(head, w.out...), w.outName...), nil
}

// walk notes where each type is, and which are wanted.
func (w *writer) walk() (roots []uint32, err error) {
	ne := binary.NativeEndian
	w.at = make([]uint32, 1, 1+len(w.types)/16)
	longest := 0
	for name := range maps.Keys(w.wanted.types) {
		longest = max(longest, len(name))
	}
	for off := 0; off < len(w.types); {
		if off+12 > len(w.types) {
			return nil, errTypes
		}
		info := ne.Uint32(w.types[off+4:])
		kind := info >> 24 & 0x1f
		more := behind(kind, info&0xffff)
		if more < 0 || off+12+more > len(w.types) {
			return nil, fmt.Errorf("%w: kind %d", errTypes, kind)
		}
		switch kind {
		case kindStruct, kindUnion, kindEnum, kindTypedef:
			if at := ne.Uint32(w.types[off:]); at != 0 && uint64(at) < uint64(len(w.names)) {
				name := w.names[at:min(len(w.names), int(at)+longest+1)]
				if n := bytes.IndexByte(name, 0); n > 0 && w.wanted.types[string(name[:n])] {
					roots = append(roots, uint32(len(w.at)))
				}
			}
		}
		w.at = append(w.at, uint32(off))
		off += 12 + more
	}
	return roots, nil
}

// deepest is how far types hold each other by value.
const deepest = 64

// copy writes a type behind those that it holds, and gives its new id.
func (w *writer) copy(id uint32) (uint32, error) {
	if made, known := w.made[id]; known {
		return made, nil
	}
	if w.depth++; w.depth > deepest || uint64(id) >= uint64(len(w.at)) {
		return 0, errTypes
	}
	defer func() { w.depth-- }()
	ne := binary.NativeEndian
	b := w.types[w.at[id]:]
	info, size := ne.Uint32(b[4:]), ne.Uint32(b[8:]) // or the type that it refers to
	kind, n := info>>24&0x1f, info&0xffff
	name, err := w.name(ne.Uint32(b))
	if err != nil {
		return 0, err
	}
	var rest []byte
	b = b[12:][:behind(kind, n)]
	u32 := func(at int) uint32 { return ne.Uint32(b[at:]) }
	switch kind {
	case kindInt:
		rest = b
	case kindFloat, kindFwd:
	case kindPtr:
		if size, err = w.prototype(size); err != nil {
			return 0, err
		}
	case kindTypedef, kindVolatile, kindConst, kindRestrict, kindTypeTag:
		if size, err = w.copy(size); err != nil {
			return 0, err
		}
	case kindArray:
		element, err := w.copy(u32(0))
		if err != nil {
			return 0, err
		}
		index, err := w.copy(u32(4))
		if err != nil {
			return 0, err
		}
		rest = ne.AppendUint32(ne.AppendUint32(ne.AppendUint32(nil, element), index), u32(8))
	case kindStruct, kindUnion:
		kept := uint32(0)
		for i := range int(n) {
			member, err := w.name(u32(12 * i))
			if err != nil {
				return 0, err
			}
			if member != "" && !w.members[member] {
				continue
			}
			typ, err := w.copy(u32(12*i + 4))
			if err != nil {
				return 0, err
			}
			rest = ne.AppendUint32(ne.AppendUint32(ne.AppendUint32(rest, w.put(member)), typ), u32(12*i+8))
			kept++
		}
		info = info&^0xffff | kept
	case kindEnum, kindEnum64:
		step, kept := 8, uint32(0)
		if kind == kindEnum64 {
			step = 12
		}
		for i := range int(n) {
			if !w.wanted.types[name] {
				break // its size is enough
			}
			value, err := w.name(u32(step * i))
			if err != nil {
				return 0, err
			}
			rest = append(ne.AppendUint32(rest, w.put(value)), b[step*i+4:][:step-4]...)
			kept++
		}
		info = info&^0xffff | kept
	default:
		return 0, fmt.Errorf("%w: a value of kind %d", errTypes, kind)
	}
	return w.add(id, name, info, size, rest), nil
}

// prototype copies what a pointer to a function leads to, with the number of its
// parameters and without their types: the tracepoints' (__DECLARE_TRACE). Any
// other pointer's aim is void.
func (w *writer) prototype(id uint32) (uint32, error) {
	if made, known := w.made[id]; known && id != 0 {
		return made, nil
	}
	if id == 0 || uint64(id) >= uint64(len(w.at)) {
		return 0, nil
	}
	info := binary.NativeEndian.Uint32(w.types[w.at[id]+4:])
	if info>>24&0x1f != kindFuncProto {
		return 0, nil
	}
	return w.add(id, "", info, 0, make([]byte, 8*int(info&0xffff))), nil
}

func (w *writer) add(id uint32, name string, info, size uint32, rest []byte) uint32 {
	ne := binary.NativeEndian
	w.out = ne.AppendUint32(w.out, w.put(name))
	w.out = ne.AppendUint32(ne.AppendUint32(w.out, info), size)
	w.out = append(w.out, rest...)
	made := uint32(len(w.made))
	w.made[id] = made
	return made
}

// name reads one of the kernel's names.
func (w *writer) name(at uint32) (string, error) {
	if uint64(at) >= uint64(len(w.names)) {
		return "", errTypes
	}
	n := bytes.IndexByte(w.names[at:], 0)
	if n < 0 {
		return "", errTypes
	}
	return string(w.names[at:][:n]), nil
}

// put gives a name its place in the excerpt.
func (w *writer) put(name string) uint32 {
	at, known := w.nameAt[name]
	if !known {
		at = uint32(len(w.outName))
		w.nameAt[name] = at
		w.outName = append(append(w.outName, name...), 0)
	}
	return at
}
