package cause

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
)

// declaredIDs reads the constants of type ID from ids.go, in order, so that the
// catalogue cannot forget one.
func declaredIDs(t *testing.T) []ID {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "ids.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ids []ID
	for _, decl := range file.Decls {
		group, is := decl.(*ast.GenDecl)
		if !is || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if kind, is := value.Type.(*ast.Ident); is && kind.Name == "ID" {
				ids = append(ids, ID(strings.Trim(value.Values[0].(*ast.BasicLit).Value, `"`)))
			}
		}
	}
	return ids
}

func TestCatalogueHoldsEveryIDInOrder(t *testing.T) {
	var got []ID
	for _, e := range Catalogue() {
		got = append(got, e.ID)
	}
	if diff := cmp.Diff(declaredIDs(t), got); diff != "" {
		t.Errorf("catalogue differs from ids.go (-declared +catalogue):\n%s", diff)
	}
}

func TestCatalogueIsTheCallersOwn(t *testing.T) {
	Catalogue()[0].Title = "changed"
	if got := Catalogue()[0].Title; got == "changed" {
		t.Error("a caller's change reached the catalogue")
	}
}

func TestLookup(t *testing.T) {
	for _, id := range declaredIDs(t) {
		if e, ok := Lookup(id); !ok || e.ID != id {
			t.Errorf("Lookup(%q) = %q, %v", id, e.ID, ok)
		}
	}
	if e, ok := Lookup("no-such-cause"); ok || e.ID != "" {
		t.Errorf("Lookup of an unknown id = %q, %v", e.ID, ok)
	}
}

func TestNearest(t *testing.T) {
	for typed, want := range map[string]ID{
		"no-route":               NoRoute,
		"no-rout":                NoRoute,
		"port-close":             PortClosed,
		"PORT_CLOSED":            PortClosed,
		" prot-closed ":          PortClosed,
		"neighbor-unresolved":    NeighbourUnresolved,
		"conntrack":              ConntrackFull,
		"opne":                   IsOpen,
		"icmp":                   ICMPRejected,
		"firewall":               "", // part of several
		"xyzzy":                  "",
		"":                       "",
		"-":                      "",
		strings.Repeat("a", 1e6): "",
	} {
		if got := Nearest(typed); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", typed, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"opne", "open", 1}, {"doctor", "doctr", 1}, {"ca", "abc", 3}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestGroupsStandTogether(t *testing.T) {
	want := []Group{GroupLocal, GroupThrownAway, GroupPath, GroupDestination, GroupName, GroupEnd, GroupUDP}
	var got []Group
	for _, e := range Catalogue() {
		got = append(got, e.Group)
	}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestEntriesAreComplete(t *testing.T) {
	kinds := []Kind{Local, Resolver, Router, Path, Destination, Nobody}
	for _, e := range Catalogue() {
		t.Run(string(e.ID), func(t *testing.T) {
			first, _ := utf8.DecodeRuneInString(e.Title)
			switch {
			case e.Title == "" || utf8.RuneCountInString(e.Title) > 72:
				t.Errorf("title has %d characters, want 1 to 72", utf8.RuneCountInString(e.Title))
			case strings.HasSuffix(e.Title, "."), strings.ContainsAny(e.Title, "{}[]`\n"):
				t.Errorf("title %q is not a plain line without a full stop", e.Title)
			case unicode.IsUpper(first) && !strings.HasPrefix(e.Title, "SYN"):
				t.Errorf("title %q begins with a capital", e.Title)
			}
			if !slices.Contains(kinds, e.Culprit) {
				t.Errorf("culprit %q is no kind", e.Culprit)
			}
			if e.Reference == "" {
				t.Error("no reference")
			}
			usesDetail := strings.Contains(e.Explanation+e.Remedy, "{detail")
			if usesDetail != (e.Detail != "") {
				t.Errorf("uses {detail}: %v, says what it holds: %q", usesDetail, e.Detail)
			}
		})
	}
}

func TestPagesAreLaidOut(t *testing.T) {
	for _, e := range Catalogue() {
		t.Run(string(e.ID), func(t *testing.T) {
			if e.Page != strings.TrimSpace(e.Page) {
				t.Error("page begins or ends with blank space")
			}
			paragraphs := strings.Split(e.Page, "\n\n")
			if len(paragraphs) < 2 || len(paragraphs) > 5 {
				t.Errorf("%d paragraphs, want 2 to 5", len(paragraphs))
			}
			if strings.Contains(e.Page, "\n\n\n") || strings.ContainsAny(e.Page, "\t{}`") {
				t.Error("page has a tab, a brace, a backquote or two empty lines")
			}
			for _, line := range strings.Split(e.Page, "\n") {
				indent := len(line) - len(strings.TrimLeft(line, " "))
				if utf8.RuneCountInString(line) > 80 || indent != 0 && indent != 4 || strings.TrimRight(line, " ") != line {
					t.Errorf("line %q: at most 80 columns, indented by 0 or 4, no trailing space", line)
				}
				if indent == 4 && strings.Count(line, "'")%2 != 0 {
					t.Errorf("command %q has an open quote", line)
				}
			}
		})
	}
}

// Both tables of causes.md are one relation: a cause's errnos and an errno's
// causes.
func TestErrnosAndCausesAgree(t *testing.T) {
	// Not typical of the cause, and its only one.
	rare := map[evidence.Errno]ID{"ENODEV": LinkDown, "EPROTONOSUPPORT": FamilyUnsupported}
	for _, e := range Catalogue() {
		for _, errno := range e.Errnos {
			entry, ok := LookupErrno(errno)
			if !ok {
				t.Errorf("%s: errno %s is not in the table", e.ID, errno)
			} else if !slices.Contains(entry.Causes, e.ID) {
				t.Errorf("%s has %s, and that errno does not name the cause", e.ID, errno)
			}
		}
	}
	for _, entry := range Errnos() {
		for _, id := range entry.Causes {
			if e, ok := Lookup(id); !ok {
				t.Errorf("%s: no cause %q", entry.Name, id)
			} else if !slices.Contains(e.Errnos, entry.Name) && rare[entry.Name] != id {
				t.Errorf("%s names %s, and that cause does not list the errno", entry.Name, id)
			}
		}
	}
}

// The typical errnos are a contract with causes.md.
func TestTypicalErrnos(t *testing.T) {
	for id, want := range map[ID][]evidence.Errno{
		NoRoute:              {"ENETUNREACH"},
		RouteRejected:        {"EHOSTUNREACH", "EACCES", "EINVAL"},
		SourceNotLocal:       {"EADDRNOTAVAIL"},
		DescriptorsExhausted: {"EMFILE", "ENFILE"},
		PolicyDenied:         {"EPERM", "EACCES", "ETIMEDOUT"},
		BadAddress:           {"EINVAL", "EADDRNOTAVAIL", "ENETUNREACH", "ECONNREFUSED"},
		LinkDown:             {"ENETUNREACH", "ENETDOWN", "EHOSTUNREACH"},
		SelfConnect:          nil,
		RouterNoRoute:        {"ENETUNREACH", "ENONET"},
		AdminProhibited:      {"EHOSTUNREACH", "ENETUNREACH", "EACCES"},
		ICMPRejected:         {"EPROTO", "EOPNOTSUPP", "ENOPROTOOPT"},
		SYNProxy:             nil,
		PortClosed:           {"ECONNREFUSED"},
		BrokenPipe:           {"EPIPE"},
	} {
		e, _ := Lookup(id)
		if diff := cmp.Diff(want, e.Errnos); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// commands returns what stands between backquotes.
func commands(text string) []string {
	var found []string
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			found = append(found, part)
		}
	}
	return found
}

func TestRemedyCommandsAreKnownTools(t *testing.T) {
	tools := []string{
		"arping", "bpftool", "conntrack", "dialscope", "dig", "getent", "ip", "iptables-save", "journalctl", "ls",
		"mtr", "nc", "nft", "ping", "prlimit", "resolvectl", "ss", "sysctl", "tcpdump", "tracepath", "traceroute", "uptime",
	}
	without := 0
	for _, e := range Catalogue() {
		all := commands(e.Remedy)
		if len(all) == 0 {
			without++
		}
		for _, command := range all {
			tool, _, _ := strings.Cut(regexp.MustCompile(`\[\[.*`).ReplaceAllString(command, ""), " ")
			if !slices.Contains(tools, tool) {
				t.Errorf("%s: %q is no tool of the list", e.ID, tool)
			}
			if strings.Count(command, "'")%2 != 0 {
				t.Errorf("%s: %q has an open quote", e.ID, command)
			}
		}
	}
	// open and udp-answered need nothing; link-local zones and the like have one.
	if without > 2 {
		t.Errorf("%d remedies name no command", without)
	}
}
