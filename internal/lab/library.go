package lab

import (
	"cmp"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/dialscope/dialscope/cause"
)

//go:embed scenarios/*.yaml
var files embed.FS

// Library is every scenario that is built in, by name. The slice is the
// caller's, the scenarios are shared.
func Library() ([]*Scenario, error) {
	all, err := library()
	return slices.Clone(all), err
}

var library = sync.OnceValues(func() ([]*Scenario, error) {
	entries, err := files.ReadDir("scenarios")
	if err != nil {
		return nil, err
	}
	var all []*Scenario
	for _, e := range entries {
		data, err := files.ReadFile("scenarios/" + e.Name())
		if err != nil {
			return nil, err
		}
		scenarios, err := Parse(e.Name(), data)
		if err != nil {
			return nil, err
		}
		all = append(all, scenarios...)
	}
	slices.SortFunc(all, func(a, b *Scenario) int { return cmp.Compare(a.Name, b.Name) })
	for i := range all[1:] {
		if a, b := all[i], all[i+1]; a.Name == b.Name {
			return nil, &FileError{File: b.File, Key: "name", Text: fmt.Sprintf("%s has a scenario %q too", a.File, a.Name)}
		}
	}
	return all, nil
})

// Find returns the scenarios that fit any of the patterns: a name, a cause, a
// shell pattern (path.Match), or "all". A pattern that nothing fits is an
// error that names the nearest.
func Find(patterns ...string) ([]*Scenario, error) {
	all, err := library()
	if err != nil {
		return nil, err
	}
	chosen := map[*Scenario]bool{}
	for _, p := range patterns {
		found := false
		for _, s := range all {
			fits, err := path.Match(p, s.Name)
			if err != nil {
				return nil, fmt.Errorf("%q is no pattern: a [ is not closed", p)
			}
			if fits || p == "all" || p == string(s.Truth.Cause) && !named(all, p) {
				chosen[s], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no scenario %q: did you mean %s?", p, nearest(all, p))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s *Scenario) bool { return !chosen[s] }), nil
}

func named(all []*Scenario, name string) bool {
	return slices.ContainsFunc(all, func(s *Scenario) bool { return s.Name == name })
}

// nearest is the name with the fewest edits; one that contains the word goes first.
func nearest(all []*Scenario, word string) string {
	best, fewest := "", 1<<30
	for _, s := range all {
		n := cause.Distance(word, s.Name)
		if len(word) > 2 && strings.Contains(s.Name, word) {
			n = len(s.Name) - len(word) - 1000
		}
		if n < fewest {
			best, fewest = s.Name, n
		}
	}
	return best
}
