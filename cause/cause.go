// Package cause says what an evidence log means.
//
// It holds the catalogue of causes (the public vocabulary: ids are never
// renamed, only added to), the rules that recognise them, [Explain], which
// reads a log and gives one [Verdict], and [Next], which names the cheapest
// experiment that would tell apart what the evidence leaves open.
//
// The package is pure: the same log gives the same verdict, offline, on any
// system, years later.
package cause

import (
	"net/netip"

	"github.com/dialscope/dialscope/evidence"
)

// ID names a cause. The ids are a contract: they stand in the Go API, JSON,
// metrics labels and the web page.
type ID string

// Outcome is what an application would have seen.
type Outcome string

// The outcomes.
const (
	Open        Outcome = "open"
	Refused     Outcome = "refused"     // ECONNREFUSED
	Reset       Outcome = "reset"       // ECONNRESET
	Closed      Outcome = "closed"      // connected, then FIN before any data
	Timeout     Outcome = "timeout"     // its deadline, or ETIMEDOUT
	Unreachable Outcome = "unreachable" // ENETUNREACH, EHOSTUNREACH, ENETDOWN and their like
	Denied      Outcome = "denied"      // EACCES, EPERM
	LocalFault  Outcome = "local"       // EADDRNOTAVAIL, EADDRINUSE, EMFILE, EINVAL, EAFNOSUPPORT, ...
	Unresolved  Outcome = "unresolved"  // the name has no usable address
	Cancelled   Outcome = "cancelled"
)

// Kind says what sort of thing a culprit is.
type Kind string

// The kinds of culprit.
const (
	Local       Kind = "local"       // this host
	Resolver    Kind = "resolver"    // a name server; Address is its address
	Router      Kind = "router"      // a device on the way that answered; Address is its address
	Path        Kind = "path"        // a silent device; Address and Hop name the last hop known to be alive
	Destination Kind = "destination" // the host that was asked for
	Nobody      Kind = "none"        // nothing is wrong, or nobody can be named
)

// Culprit is who did it.
type Culprit struct {
	Kind    Kind       `json:"kind"`
	Address netip.Addr `json:"address,omitzero"`
	Hop     int        `json:"hop,omitempty"` // routers passed, 1 is the first; 0 is not known
}

// Confidence is how much the evidence excludes.
type Confidence string

// The confidences, from strongest to weakest.
const (
	Certain  Confidence = "certain"  // the evidence has one reading
	Likely   Confidence = "likely"   // another reading exists and is improbable; it stands in the alternatives
	Possible Confidence = "possible" // several readings fit about equally well
)

// Finding is one reading of the evidence.
type Finding struct {
	Cause      ID         `json:"cause"`
	Culprit    Culprit    `json:"culprit"`
	Confidence Confidence `json:"confidence"`
}

// Verdict is the answer for one target, or for one attempt.
type Verdict struct {
	Outcome      Outcome        `json:"outcome"`
	Errno        evidence.Errno `json:"errno,omitempty"` // as the kernel gave it; empty when there was none
	Finding                     // the best reading
	Alternatives []Finding      `json:"alternatives"`   // other readings, best first; empty, never nil
	Explanation  string         `json:"explanation"`    // one or two sentences for a person
	Remedy       string         `json:"remedy"`         // what to do next, one sentence
	Rule         string         `json:"rule,omitempty"` // the rule that found it
}

// Group is a heading of the catalogue.
type Group string

// The groups, in the order in which a connection meets them.
const (
	GroupLocal       Group = "Before a packet leaves"
	GroupThrownAway  Group = "A reply came and this host threw it away"
	GroupPath        Group = "On the path"
	GroupDestination Group = "At the destination"
	GroupName        Group = "The name"
	GroupEnd         Group = "An established connection ends"
	GroupUDP         Group = "UDP"
)

// Entry is one cause in the catalogue.
//
// Explanation and Remedy are texts with blanks in braces ({address},
// {hop|some}, [[ at hop {hop}]]) that the evidence fills; [Entry.Fill] has the
// syntax and [Blanks] the names. They read well with every blank filled, with
// none, and after "Probably: ". Commands stand between backquotes.
type Entry struct {
	ID          ID
	Group       Group
	Title       string           // one line, lower case, no full stop
	Explanation string           // one or two sentences, with blanks
	Detail      string           // what the blank {detail} holds for this cause; empty where it is not used
	Remedy      string           // one sentence, with the exact command a person would type
	Errnos      []evidence.Errno // typical; empty where none
	Culprit     Kind             // usual
	Page        string           // what `dialscope --explain` adds: how it comes about, how it is told from its look-alikes, how to see it by hand, other systems. Paragraphs have an empty line between them; a line that begins with four spaces is a command and is not to be refilled. At most 76 columns
	Reference   string           // RFC sections, man pages, kernel functions
}
