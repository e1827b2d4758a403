//go:build amd64 || arm64

package bpf

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// symbols are the kernel's functions by address, read when first asked for.
type symbols struct {
	once  sync.Once
	table []symbol
}

type symbol struct {
	at   uint64
	name string
}

// Symbol names the kernel function that an address lies in, such as
// "nft_do_chain"; "" where /proc/kallsyms hides addresses (kernel.kptr_restrict).
// The first call takes some tens of milliseconds.
func (s *Session) Symbol(address uint64) string {
	s.symbols.once.Do(func() {
		if f, err := os.Open("/proc/kallsyms"); err == nil {
			s.symbols.table = readSymbols(f)
			f.Close()
		}
	})
	return lookUp(s.symbols.table, address)
}

// readSymbols reads lines such as "ffffffff81000000 T _text\t[module]" of code.
func readSymbols(r io.Reader) []symbol {
	var table []symbol
	for lines := bufio.NewScanner(r); lines.Scan(); {
		address, rest, _ := strings.Cut(lines.Text(), " ")
		kind, name, ok := strings.Cut(rest, " ")
		if !ok || strings.Trim(kind, "tTwW") != "" {
			continue
		}
		at, err := strconv.ParseUint(address, 16, 64)
		if err != nil || at == 0 {
			continue
		}
		name, _, _ = strings.Cut(name, "\t")
		table = append(table, symbol{at, strings.Clone(name)})
	}
	slices.SortFunc(table, func(a, b symbol) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return table
}

// lookUp finds the last symbol at or before an address.
func lookUp(table []symbol, address uint64) string {
	i, found := slices.BinarySearchFunc(table, address, func(s symbol, at uint64) int {
		switch {
		case s.at < at:
			return -1
		case s.at > at:
			return 1
		}
		return 0
	})
	switch {
	case found:
		return table[i].name
	case i == 0:
		return ""
	}
	return table[i-1].name
}
