package peer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/wire"
)

// Transcript is every packet that passed the device while a script was played.
type Transcript struct {
	Began   time.Time
	Entries []Entry
}

// Entry is one packet: raw IP, the LINKTYPE_RAW of pcap files.
type Entry struct {
	At     time.Time
	Sent   bool // by the peer to the kernel; false: the other way
	Packet []byte
	Note   string // what the script made of it, such as "line 3: expect SYN"
}

// String is a line for each packet: the seconds since the beginning, "<" for
// those that the kernel received and ">" for those that it sent, the packet as
// tcpdump(1) tells it, and the note.
func (t *Transcript) String() string {
	var b strings.Builder
	for _, e := range t.Entries {
		direction := ">"
		if e.Sent {
			direction = "<"
		}
		fmt.Fprintf(&b, "%9.6f %s %s", e.At.Sub(t.Began).Seconds(), direction, wire.Summary(e.Packet))
		if e.Note != "" {
			fmt.Fprintf(&b, "  # %s", e.Note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// add returns the index of the new entry.
func (t *Transcript) add(at time.Time, sent bool, packet []byte, note string) int {
	t.Entries = append(t.Entries, Entry{at, sent, slices.Clone(packet), note})
	return len(t.Entries) - 1
}

func (t *Transcript) note(entry int, format string, args ...any) {
	t.Entries[entry].Note = fmt.Sprintf(format, args...)
}
