package cause

import (
	"slices"
	"strings"
)

// Catalogue returns every cause, in the order in which a connection can meet
// them: before a packet leaves, when a reply is thrown away, on the path, at
// the destination, at the name, at the end of an established connection, and
// over UDP. The slice is the caller's; the Errnos in it are shared and must not
// be changed.
func Catalogue() []Entry {
	return slices.Concat(groups[:]...)
}

// groups holds the catalogue's data, one file a group. They are constant
// tables, laid out by the compiler: nothing runs when the program starts.
var groups = [...][]Entry{
	localSocketEntries,
	localLinkEntries,
	thrownAwayEntries,
	pathICMPEntries,
	pathSilentEntries,
	destinationEntries,
	nameEntries,
	endEntries,
	udpEntries,
}

// Lookup returns the entry of a cause; ok is false when the catalogue has no
// such id.
func Lookup(id ID) (entry Entry, ok bool) {
	for _, group := range groups {
		for i := range group {
			if group[i].ID == id {
				return group[i], true
			}
		}
	}
	return Entry{}, false
}

// Nearest returns the id that a mistyped one was probably meant to be, or ""
// when none is close: at most a third of what was typed is wrong, or it is a
// whole part of exactly one id.
func Nearest(typed string) ID {
	typed = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(typed)), "_", "-")
	if typed == "" || len(typed) > 64 {
		return ""
	}
	var best ID
	bound := len(typed)/3 + 1
	var holders []ID
	for _, group := range groups {
		for i := range group {
			id := group[i].ID
			if d := Distance(typed, string(id)); d < bound {
				best, bound = id, d
			}
			if strings.Contains("-"+string(id)+"-", "-"+typed+"-") {
				holders = append(holders, id)
			}
		}
	}
	if best == "" && len(holders) == 1 {
		return holders[0]
	}
	return best
}

// Distance counts the octets to insert, delete, replace or swap with their
// neighbor to make one word of the other (optimal string alignment): how far a
// word is mistyped.
func Distance(a, b string) int {
	before := make([]int, len(b)+1) // two rows up
	above := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range len(b) {
			replaced := above[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
