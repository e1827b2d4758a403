package cause

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dialscope/dialscope/evidence"
)

// mission.md A11: "every errno that connect can give is explained".
var connectErrnos = strings.Fields(`
	EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED ECONNRESET EFAULT
	EHOSTUNREACH EINPROGRESS EINTR EINVAL EISCONN EMFILE ENETDOWN ENETUNREACH ENFILE ENOBUFS ENOPROTOOPT ENOTSOCK
	EPROTOTYPE ETIMEDOUT`)

var furtherErrnos = strings.Fields(`
	EPROTO EOPNOTSUPP EHOSTDOWN ENONET ENOMEM EPROTONOSUPPORT ENODEV EPIPE ENOTCONN ECONNABORTED EMSGSIZE EDESTADDRREQ`)

func TestErrnosAreAllThereInOrder(t *testing.T) {
	want := slices.Sorted(slices.Values(slices.Concat(connectErrnos, furtherErrnos)))
	var got []string
	for _, e := range Errnos() {
		got = append(got, string(e.Name))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrnoEntriesAreComplete(t *testing.T) {
	number := regexp.MustCompile(`WSA\w+ \(1?\d{4}\)|No twin|\(8\)`)
	seen := map[int]evidence.Errno{}
	for _, e := range Errnos() {
		t.Run(string(e.Name), func(t *testing.T) {
			for field, text := range map[string]string{"Meaning": e.Meaning, "When": e.When, "Windows": e.Windows, "BSD": e.BSD} {
				switch {
				case text == "" || !strings.HasSuffix(text, "."):
					t.Errorf("%s is not a sentence: %q", field, text)
				case strings.Contains(text, "  ") || strings.ContainsAny(text, "\t\n`{}"):
					t.Errorf("%s is not plain text: %q", field, text)
				}
			}
			if !number.MatchString(e.Windows) {
				t.Errorf("Windows twin without its number: %q", e.Windows)
			}
			if other, taken := seen[e.Number]; taken || e.Number <= 0 {
				t.Errorf("number %d is also %s", e.Number, other)
			}
			seen[e.Number] = e.Name
		})
	}
}

func TestLookupErrno(t *testing.T) {
	if e, ok := LookupErrno("ECONNREFUSED"); !ok || e.Number != 111 {
		t.Errorf("ECONNREFUSED = %+v, %v", e, ok)
	}
	// errno(3): EWOULDBLOCK may be the same value as EAGAIN; on Linux it is.
	if e, ok := LookupErrno("EWOULDBLOCK"); !ok || e.Name != "EAGAIN" {
		t.Errorf("EWOULDBLOCK = %+v, %v", e, ok)
	}
	for _, name := range []evidence.Errno{"", "EXXX", "econnrefused"} {
		if e, ok := LookupErrno(name); ok {
			t.Errorf("%q = %+v", name, e)
		}
	}
}

// causes.md, "The shape of an answer": outcome.
func TestOutcomeOf(t *testing.T) {
	for outcome, errnos := range map[Outcome]string{
		Refused:     "ECONNREFUSED",
		Reset:       "ECONNRESET",
		Timeout:     "ETIMEDOUT EINPROGRESS",
		Unreachable: "ENETUNREACH EHOSTUNREACH ENETDOWN EHOSTDOWN ENONET EPROTO ENOPROTOOPT EOPNOTSUPP",
		Denied:      "EACCES EPERM",
		Cancelled:   "EINTR",
		Closed:      "EPIPE",
		LocalFault: "EADDRNOTAVAIL EADDRINUSE EMFILE ENFILE EINVAL EAFNOSUPPORT EAGAIN EWOULDBLOCK EALREADY EBADF EFAULT " +
			"EISCONN ENOBUFS ENOMEM ENOTSOCK EPROTOTYPE EPROTONOSUPPORT ENODEV ENOTCONN ECONNABORTED EMSGSIZE EDESTADDRREQ " +
			"ESTRANGE WSAEREFUSED",
	} {
		for _, errno := range strings.Fields(errnos) {
			if got := OutcomeOf(evidence.Errno(errno)); got != outcome {
				t.Errorf("OutcomeOf(%s) = %s, want %s", errno, got, outcome)
			}
		}
	}
	if got := OutcomeOf(""); got != Open {
		t.Errorf("no errno is %s, want open", got)
	}
}

func TestErrnosAreTheCallersOwn(t *testing.T) {
	Errnos()[0].Meaning = "changed"
	if Errnos()[0].Meaning == "changed" {
		t.Error("a caller's change reached the table")
	}
}

// An errno without a cause is a program's fault; it must be a local one.
func TestErrnosWithoutCauseAreLocal(t *testing.T) {
	for _, e := range Errnos() {
		if len(e.Causes) == 0 && e.Outcome != LocalFault && e.Name != "EINPROGRESS" {
			t.Errorf("%s has outcome %s and no cause", e.Name, e.Outcome)
		}
	}
}
