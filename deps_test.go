package dialscope_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dialscope/dialscope"

// pure is the standard library that the core may use: bytes and times in,
// facts out. It reads no clock and touches nothing outside the process.
const pure = `bytes cmp encoding encoding/base64 encoding/binary encoding/hex encoding/json errors fmt iter maps
	math math/big math/bits net/netip regexp slices sort strconv strings time unicode unicode/utf8`

// fenced is the standard library that the word "std" leaves out of a row: it
// is named where it is allowed.
const fenced = `C os/exec plugin syscall unsafe`

// testTools is open to every test.
const testTools = `std syscall os/exec internal/golden github.com/google/go-cmp/cmp github.com/google/go-cmp/cmp/cmpopts
	go.uber.org/goleak pgregory.net/rapid internal/testmain internal/host/netns internal/host/tun`

// layer orders the rooms. An import goes to a lower layer, or stays within one
// where the table says so.
type layer int

const (
	core     layer = iota // evidence and judgement, pure
	kernel                // the one door to the kernel
	adapter               // one part of the host each
	survey                // what the adapters can see on this host
	public                // the library
	useCase               // what is done with it, one each
	part                  // one concern of the command line each
	delivery              // what a person starts
	tool                  // what builds, tests and measures all this
)

// room is what one package may import: "pure", "std", a package of the
// standard library, a package of this module by its folder ("." is the root),
// or one of another module. Its tests may import all of that, testTools, and
// what tests adds.
type room struct {
	layer   layer
	imports string
	tests   string
}

func TestDepsTable(t *testing.T) {
	packages := parseModule(t, parser.ImportsOnly)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		r, listed := table[dir]
		if !listed {
			t.Errorf("%s: not in the table of allowed imports (deps_table_test.go); give it a row", dir)
			continue
		}
		code := allowed(r.imports)
		inTests := allowed(r.imports + " " + testTools + " " + r.tests)
		for _, f := range packages[dir] {
			permit := code
			if f.isTest {
				permit = inTests
				permit[dir] = true // an external test imports what it tests
			}
			for _, imported := range f.imports() {
				if !permit[imported] && !(permit["std"] && isOpenStd(imported)) {
					t.Errorf("%s imports %s, which the row of %s does not allow", f.name, imported, dir)
				}
			}
		}
	}
}

// The table holds what is, not what once was.
func TestDepsTableIsExact(t *testing.T) {
	packages := parseModule(t, parser.ImportsOnly)
	for _, dir := range slices.Sorted(maps.Keys(table)) {
		files, exists := packages[dir]
		if !exists {
			t.Errorf("row %s: no such package", dir)
			continue
		}
		inCode, inTests := map[string]bool{}, map[string]bool{}
		for _, f := range files {
			for _, imported := range f.imports() {
				if f.isTest {
					inTests[imported] = true
				} else {
					inCode[imported] = true
				}
			}
		}
		for _, word := range strings.Fields(table[dir].imports) {
			if !isGroup(word) && !inCode[word] {
				t.Errorf("row %s: allows %s, which its code does not import", dir, word)
			}
		}
		for _, word := range strings.Fields(table[dir].tests) {
			if !isGroup(word) && !inTests[word] {
				t.Errorf("row %s: allows %s to its tests, which do not import it", dir, word)
			}
		}
	}
}

// Arrows point down: delivery, library, adapters, kernel; the core below all.
func TestDepsPointDown(t *testing.T) {
	sameLayer := map[layer]bool{core: true, part: true, delivery: true}
	for _, dir := range slices.Sorted(maps.Keys(table)) {
		r := table[dir]
		for _, word := range strings.Fields(r.imports) {
			to, ours := table[word]
			switch {
			case !ours:
			case to.layer > r.layer:
				t.Errorf("row %s: %s is above it", dir, word)
			case to.layer == r.layer && !sameLayer[r.layer]:
				t.Errorf("row %s: %s is beside it; let the caller join the two", dir, word)
			}
		}
		if r.layer == core {
			for word := range allowed(r.imports) {
				if to, ours := table[word]; !slices.Contains(strings.Fields(pure), word) && !(ours && to.layer == core) {
					t.Errorf("row %s: the core imports nothing but the core and pure packages, not %s", dir, word)
				}
			}
		}
	}
}

// One package speaks to the kernel. Its doors are closed to all others, tests
// included.
func TestDepsOneDoorToTheKernel(t *testing.T) {
	for dir, files := range parseModule(t, parser.ImportsOnly) {
		if dir == "internal/host/sys" {
			continue
		}
		for _, f := range files {
			for _, imported := range f.imports() {
				if imported == "unsafe" || imported == "C" || imported == "golang.org/x/sys" ||
					strings.HasPrefix(imported, "golang.org/x/sys/") {
					t.Errorf("%s imports %s: only internal/host/sys may", f.name, imported)
				}
			}
		}
	}
}

// What the import table cannot see: time is pure only without its clock.
func TestDepsCoreIsPure(t *testing.T) {
	clock := strings.Fields("After AfterFunc NewTicker NewTimer Now Since Sleep Tick Until")
	for dir, files := range parseModule(t, parser.SkipObjectResolution) {
		if r, listed := table[dir]; !listed || r.layer != core {
			continue
		}
		for _, f := range files {
			if f.isTest {
				continue
			}
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				at := func() token.Position { return f.set.Position(n.Pos()) }
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%v: the core starts no goroutine", at())
				case *ast.ChanType:
					t.Errorf("%v: the core has no channel", at())
				case *ast.SelectorExpr:
					if pkg, is := n.X.(*ast.Ident); is && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
						t.Errorf("%v: the core reads no clock: time.%s", at(), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// An import has no effect of its own, anywhere.
func TestDepsHaveNoInit(t *testing.T) {
	for _, files := range parseModule(t, parser.SkipObjectResolution) {
		for _, f := range files {
			for _, d := range f.syntax.Decls {
				if fn, is := d.(*ast.FuncDecl); is && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%v: func init", f.set.Position(fn.Pos()))
				}
			}
		}
	}
}

// allowed is the set of import paths (rooms by their folder) that a list of
// words stands for.
func allowed(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		if word == "pure" {
			for _, p := range strings.Fields(pure) {
				set[p] = true
			}
			continue
		}
		set[word] = true
	}
	return set
}

func isGroup(word string) bool { return word == "pure" || word == "std" }

// isOpenStd reports whether an import is of the standard library and not
// fenced. A dot in the first element marks a module (go help importpath).
func isOpenStd(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	_, ours := table[imported]
	return !ours && !strings.Contains(first, ".") && !slices.Contains(strings.Fields(fenced), imported)
}

// source is one parsed file.
type source struct {
	name   string
	isTest bool
	syntax *ast.File
	set    *token.FileSet
}

// imports gives this module's packages by their folder, others by their path.
func (s source) imports() []string {
	var all []string
	for _, spec := range s.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", s.name, err)) // the parser has accepted it
		}
		if p == module {
			p = "."
		}
		all = append(all, strings.TrimPrefix(p, module+"/"))
	}
	return all
}

// parseModule reads every Go file of the module, whatever system it is for, by
// folder.
func parseModule(t *testing.T, mode parser.Mode) map[string][]source {
	t.Helper()
	packages := map[string][]source{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file that another process has just removed
		}
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base != "." && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "bin" || base == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") || base[0] == '.' || base[0] == '_' {
			return nil
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, name, nil, mode)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(name))
		packages[dir] = append(packages[dir], source{name, strings.HasSuffix(base, "_test.go"), syntax, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages["."]) == 0 {
		t.Fatal("the module's root was not found")
	}
	return packages
}
