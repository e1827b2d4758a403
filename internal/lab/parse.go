package lab

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// Parse reads a scenario file. Its errors are of type [*FileError].
func Parse(file string, data []byte) ([]*Scenario, error) {
	doc, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, locate(file, nil, err)
	}
	var d document
	if err := decode(data, &d); err != nil {
		return nil, locate(file, doc, err)
	}
	variants, err := d.variants()
	if err != nil {
		return nil, locate(file, doc, err)
	}
	var all []*Scenario
	for _, v := range variants {
		// Each variant fills its own copy: the fields share no memory.
		var own document
		if err := decode(data, &own); err != nil {
			return nil, locate(file, doc, err)
		}
		s, err := own.scenario(v)
		if err != nil {
			return nil, locate(file, doc, err)
		}
		s.File = file
		all = append(all, s)
	}
	return all, nil
}

// decode reads a file strictly. The YAML library panics on some malformed ones
// (a tag that stands for nothing, in a list).
func decode(data []byte, into *document) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("this is no YAML that can be read: %v", p)
		}
	}()
	return yaml.UnmarshalWithOptions(data, into, yaml.Strict())
}

// variant is one scenario of a file.
type variant struct {
	family  int
	routers int
	suffix  string
	vars    map[string]string
	row     int // of cases, -1 without
}

func (d *document) variants() (all []variant, err error) {
	families, lengths, cases := d.Families, d.Topology.Chain, d.Cases
	if len(families) == 0 {
		families = []int{4}
	}
	for i, f := range families {
		if f != 4 && f != 6 {
			return nil, at(fmt.Sprintf("families[%d]", i), "%d is no address family: write 4 or 6", f)
		}
	}
	if len(lengths) == 0 {
		lengths = []int{0}
	}
	if len(lengths) > 2 {
		return nil, at("topology.chain", "%d lengths: at most two, near and far", len(lengths))
	}
	row := 0
	if len(cases) == 0 {
		cases, row = []map[string]any{nil}, -1
	}
	for i, c := range cases {
		vars := map[string]string{}
		for name, value := range c {
			vars[name] = fmt.Sprint(value)
			if value == nil {
				vars[name] = ""
			}
		}
		for n, routers := range lengths {
			for _, f := range families {
				v := variant{family: f, routers: routers, vars: vars, row: min(row, 0) + i}
				if n > 0 {
					v.suffix = "-far"
				}
				if f == 6 && len(families) > 1 {
					v.suffix += "-v6"
				}
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// scenario fills in one variant.
func (d *document) scenario(v variant) (*Scenario, error) {
	plan, err := newPlan(d.Topology, v.routers, d.Peer != nil)
	if err != nil {
		return nil, err
	}
	s := &Scenario{
		Name: d.Name, Title: d.Title, Teaches: strings.TrimSpace(d.Teaches), Family: v.family, Plan: plan,
		Services: d.Services, Faults: d.Faults, Peer: d.Peer, Confine: d.Confine,
		Dial: d.Dial, Then: d.Then, Truth: d.Truth, Expect: d.Expect, Listener: d.Listener, ByHand: d.ByHand,
	}
	f := filler{variant: v, plan: plan, absent: map[string]bool{}}
	for _, c := range d.Cases {
		for name := range c {
			f.absent[name] = true
		}
	}
	if err := f.fill(s); err != nil {
		return nil, err
	}
	s.Name += v.suffix
	if s.Family == 6 {
		for t := &s.Truth; t != nil; t = t.Unprivileged {
			t.of6()
		}
		if s.Listener != nil {
			s.Listener.Truth.of6()
		}
	}
	return s, s.check()
}

// of6 takes what differs over IPv6.
func (t *Truth) of6() {
	t.Errno, t.Outcome = cmp.Or(t.Errno6, t.Errno), cmp.Or(t.Outcome6, t.Outcome)
}

// filler replaces <name> by a variable or an address in every text of a scenario.
type filler struct {
	variant
	plan   *Plan
	absent map[string]bool // variables that other cases of the file have: empty here
}

func (f *filler) fill(s *Scenario) error {
	for _, part := range []struct {
		key   string
		value any
	}{
		{"name", &s.Name}, {"title", &s.Title}, {"teaches", &s.Teaches}, {"services", &s.Services},
		{"faults", &s.Faults}, {"peer", &s.Peer}, {"confine", &s.Confine}, {"dial", &s.Dial}, {"then", &s.Then},
		{"truth", &s.Truth}, {"expect", &s.Expect}, {"listener", &s.Listener}, {"by_hand", &s.ByHand},
	} {
		if err := f.walk(reflect.ValueOf(part.value).Elem(), part.key); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) walk(v reflect.Value, key string) error {
	switch v.Kind() {
	case reflect.String:
		text, err := f.text(v.String())
		if err != nil {
			return at(key, "%v", err)
		}
		if text == "last" && strings.HasSuffix(key, ".on") {
			text = fmt.Sprintf("r%d", f.routers)
		}
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			return f.walk(v.Elem(), key)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := f.walk(v.Index(i), fmt.Sprintf("%s[%d]", key, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(name))
			if err := f.walk(value, key+"."+name.String()); err != nil {
				return err
			}
			v.SetMapIndex(name, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if err := f.walk(v.Field(i), key+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// variable is <name>, with the colon of a port after it: an IPv6 address
// stands in brackets then.
var variable = regexp.MustCompile(`<([a-z0-9_.]+)>(:?)`)

func (f *filler) text(s string) (string, error) { return f.textIn(s, nil) }

// textIn fills in a text that stands inside these variables.
func (f *filler) textIn(s string, inside []string) (string, error) {
	var wrong error
	s = variable.ReplaceAllStringFunc(s, func(m string) string {
		parts := variable.FindStringSubmatch(m)
		if parts[1] == "family" {
			return strconv.Itoa(f.family) + parts[2]
		}
		if value, ok := f.vars[parts[1]]; ok {
			if slices.Contains(inside, parts[1]) {
				wrong = fmt.Errorf("<%s> stands for itself", parts[1])
				return m
			}
			filled, err := f.textIn(value, append(slices.Clone(inside), parts[1]))
			if err != nil {
				wrong = err
			}
			return filled + parts[2]
		}
		if f.absent[parts[1]] {
			return parts[2]
		}
		a, err := f.named(parts[1])
		switch {
		case err != nil:
			wrong = err
			return m
		case a.Is6() && parts[2] != "":
			return "[" + a.String() + "]:"
		}
		return a.String() + parts[2]
	})
	return s, wrong
}

// named is what <client>, <r1.far>, <server4>, <last>, <loopback> or <absent>
// stands for.
func (f *filler) named(name string) (netip.Addr, error) {
	v4 := f.family == 4
	if base, ok := strings.CutSuffix(name, "4"); ok && f.plan.host(name) == nil && f.plan.host(base) != nil {
		name, v4 = base, true
	} else if base, ok := strings.CutSuffix(name, "6"); ok && f.plan.host(name) == nil && f.plan.host(base) != nil {
		name, v4 = base, false
	}
	if base, ok := strings.CutPrefix(name, "last"); ok && (base == "" || base == ".far") {
		name = fmt.Sprintf("r%d%s", f.routers, base)
	}
	switch name {
	case "loopback":
		if v4 {
			return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
		}
		return netip.IPv6Loopback(), nil
	case "absent": // an address of the server's network that nobody has
		a, err := f.plan.address("server", v4)
		if err != nil {
			return a, err
		}
		b := a.AsSlice()
		b[len(b)-1] = 99
		absent, _ := netip.AddrFromSlice(b)
		return absent, nil
	case "nobody": // an address of the client's network that nobody has
		a, err := f.plan.address("client", v4)
		if err != nil {
			return a, err
		}
		b := a.AsSlice()
		b[len(b)-1] = 77
		nobody, _ := netip.AddrFromSlice(b)
		return nobody, nil
	case "elsewhere": // an address outside all networks
		if v4 {
			return netip.AddrFrom4([4]byte{198, 18, 0, 1}), nil
		}
		return netip.MustParseAddr("2001:db8:ffff::1"), nil
	}
	return f.plan.address(name, v4)
}

// sortedNames are a map's keys.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
