package cause

import (
	"slices"

	"github.com/dialscope/dialscope/evidence"
)

// ErrnoEntry is what one errno says about a connection.
type ErrnoEntry struct {
	Name    evidence.Errno // "ECONNREFUSED"
	Number  int            // on Linux, asm-generic (all architectures but alpha, mips, parisc and sparc)
	Meaning string         // one sentence
	When    string         // when connect(2), or the call named, gives it on Linux
	Windows string         // the Winsock twin with its number; what differs
	BSD     string         // where FreeBSD, OpenBSD, NetBSD or macOS differ; "the same" where they do not
	Outcome Outcome        // what [OutcomeOf] says
	Causes  []ID           // the causes that bring it, most usual first; empty where it is a program's fault
}

// Errnos returns every errno that connect(2) can give, with those that sockets
// give before and after it, in alphabetical order. The slice is the caller's;
// the Causes in it are shared and must not be changed.
func Errnos() []ErrnoEntry {
	return slices.Clone(errnos[:])
}

// LookupErrno returns the entry of an errno by its symbolic name.
func LookupErrno(name evidence.Errno) (entry ErrnoEntry, ok bool) {
	if name == "EWOULDBLOCK" { // the same number on Linux, errno(3)
		name = "EAGAIN"
	}
	for i := range errnos {
		if errnos[i].Name == name {
			return errnos[i], true
		}
	}
	return ErrnoEntry{}, false
}

// OutcomeOf says which outcome an attempt has that ended with this errno. No
// errno is [Open]; one that is not in the table is a [LocalFault].
//
// It is meant for the errno that ended a connection attempt. EPROTO,
// ENOPROTOOPT and EOPNOTSUPP then come from an ICMP error (icmp_err_convert) and
// are [Unreachable]; the same errnos from setsockopt(2) are faults of this host,
// which the caller knows.
func OutcomeOf(errno evidence.Errno) Outcome {
	if errno == "" {
		return Open
	}
	if entry, ok := LookupErrno(errno); ok {
		return entry.Outcome
	}
	return LocalFault
}
