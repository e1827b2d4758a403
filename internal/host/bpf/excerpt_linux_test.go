//go:build amd64 || arm64

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/internal/testmain"
)

// offsets are those of every wanted member of a type, also of ones inside
// members without a name.
func offsets(members []btf.Member, base btf.Bits, wanted map[string]bool, into map[string]btf.Bits) {
	for _, m := range members {
		if m.Name != "" {
			if wanted[m.Name] {
				into[m.Name] = base + m.Offset
			}
			continue
		}
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			offsets(t.Members, base+m.Offset, wanted, into)
		case *btf.Union:
			offsets(t.Members, base+m.Offset, wanted, into)
		}
	}
}

// The excerpt says of this kernel what all of its types say.
func TestExcerptOfThisKernel(t *testing.T) {
	_, err := os.Stat(typesFile)
	testmain.Check(t, "bpf", err)
	object, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	all, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	small, err := kernelTypes(object.Types)
	if err != nil {
		t.Fatal(err)
	}
	keep := want(object.Types)
	if !keep.types["sk_buff"] || !keep.types["btf_trace_kfree_skb"] || !keep.members["sk_err"] || keep.types[""] {
		t.Fatalf("%v", keep)
	}
	compared := 0
	for name := range keep.types {
		var whole, part *btf.Struct
		if all.TypeByName(name, &whole) != nil {
			continue // not a structure, or one of several
		}
		if err := small.TypeByName(name, &part); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compared++
		is, should := map[string]btf.Bits{}, map[string]btf.Bits{}
		offsets(part.Members, 0, keep.members, is)
		offsets(whole.Members, 0, keep.members, should)
		if diff := cmp.Diff(should, is); diff != "" || part.Size != whole.Size {
			t.Errorf("%s: size %d, want %d; offsets (-want +got):\n%s", name, part.Size, whole.Size, diff)
		}
	}
	if compared < 10 {
		t.Errorf("%d structures compared", compared)
	}
	for _, e := range []struct{ name, prefix string }{{"skb_drop_reason", "SKB_DROP_REASON_"}, {"sk_rst_reason", "SK_RST_REASON_"}, {"bpf_func_id", "BPF_FUNC_"}} {
		if diff := cmp.Diff(namesOf(all, e.name, e.prefix), namesOf(small, e.name, e.prefix)); diff != "" {
			t.Errorf("%s:\n%s", e.name, diff)
		}
	}
	for _, p := range programs {
		event := p.tracepoint[bytes.IndexByte([]byte(p.tracepoint), ':')+1:]
		want, errAll := arguments(all, event)
		got, err := arguments(small, event)
		if got != want || (err == nil) != (errAll == nil) {
			t.Errorf("%s: %d arguments, %v; want %d, %v", event, got, err, want, errAll)
		}
	}
	if helper(small, "BPF_FUNC_snprintf") != helper(all, "BPF_FUNC_snprintf") {
		t.Error("snprintf")
	}
}

// made is a BTF of a few types, as the kernel writes them.
func made(t testing.TB) []byte {
	t.Helper()
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	inner := &btf.Struct{Size: 8, Members: []btf.Member{{Name: "other", Type: number}, {Name: "kept", Type: number, Offset: 32}}}
	self := &btf.Struct{Name: "node", Size: 40}
	self.Members = []btf.Member{
		{Name: "next", Type: &btf.Pointer{Target: self}},
		{Type: inner, Offset: 64},
		{Name: "list", Type: &btf.Array{Index: number, Type: &btf.Const{Type: number}, Nelems: 3}, Offset: 128},
		{Name: "dropped", Type: &btf.Struct{Name: "unused", Size: 4, Members: []btf.Member{{Name: "x", Type: number}}}, Offset: 224},
		{Name: "colour", Type: &btf.Enum{Name: "colour", Size: 4, Values: []btf.EnumValue{{Name: "RED", Value: 1}}}, Offset: 256},
	}
	trace := &btf.Typedef{Name: "btf_trace_it", Type: &btf.Pointer{Target: &btf.FuncProto{Return: (*btf.Void)(nil), Params: []btf.FuncParam{{Type: &btf.Pointer{Target: (*btf.Void)(nil)}}, {Name: "n", Type: number}}}}}
	table := &btf.Enum{Name: "table", Size: 4, Values: []btf.EnumValue{{Name: "ONE", Value: 1}, {Name: "TWO", Value: 2}}}
	b, err := btf.NewBuilder([]btf.Type{self, trace, table}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func kept() wanted {
	return wanted{types: map[string]bool{"node": true, "btf_trace_it": true, "table": true},
		members: map[string]bool{"next": true, "kept": true, "list": true, "colour": true}}
}

func TestExcerpt(t *testing.T) {
	small, err := excerpt(made(t), kept())
	if err != nil {
		t.Fatal(err)
	}
	types, err := btf.LoadSpecFromReader(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	var node *btf.Struct
	if err := types.TypeByName("node", &node); err != nil {
		t.Fatal(err)
	}
	is := map[string]btf.Bits{}
	offsets(node.Members, 0, map[string]bool{"next": true, "kept": true, "other": true, "list": true, "dropped": true, "colour": true}, is)
	if want := map[string]btf.Bits{"next": 0, "kept": 96, "list": 128, "colour": 256}; !maps.Equal(is, want) || node.Size != 40 {
		t.Errorf("size %d, %v, want %v", node.Size, is, want)
	}
	if p, ok := node.Members[0].Type.(*btf.Pointer); !ok || p.Target != btf.Type((*btf.Void)(nil)) {
		t.Errorf("next is %v", node.Members[0].Type)
	}
	var colour *btf.Enum
	if err := types.TypeByName("colour", &colour); err != nil || len(colour.Values) != 0 || colour.Size != 4 {
		t.Errorf("%v, %+v", err, colour)
	}
	if n, err := arguments(types, "it"); n != 1 || err != nil {
		t.Errorf("%d arguments, %v", n, err)
	}
	if diff := cmp.Diff(names{1: "ONE", 2: "TWO"}, namesOf(types, "table", "")); diff != "" {
		t.Error(diff)
	}
	if _, err := types.AnyTypeByName("unused"); !errors.Is(err, btf.ErrNotFound) {
		t.Errorf("unused: %v", err)
	}
}

// Whatever the file holds, it is read or refused.
func FuzzExcerpt(f *testing.F) {
	whole := made(f)
	f.Add(whole)
	for _, n := range []int{0, 10, 24, 40, len(whole) - 3} {
		f.Add(whole[:n])
	}
	loop := bytes.Clone(whole)
	binary.NativeEndian.PutUint32(loop[24+8:], 1)
	f.Add(loop)
	f.Fuzz(func(t *testing.T, raw []byte) {
		small, err := excerpt(raw, kept())
		if err != nil {
			if !errors.Is(err, errTypes) {
				t.Error(err)
			}
			return
		}
		if len(small) < 24 {
			t.Errorf("%d octets", len(small))
		}
	})
}
