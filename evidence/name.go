package evidence

import (
	"net/netip"
	"time"
)

// ResolverConfig is how this host resolves names, and what of that was used.
type ResolverConfig struct {
	File     string           `json:"file,omitempty"`    // /etc/resolv.conf, or empty when servers were given by hand
	Missing  string           `json:"missing,omitempty"` // why File could not be read; Servers then are its defaults, 127.0.0.1 and ::1
	Servers  []netip.AddrPort `json:"servers,omitempty"` // in the order in which they are asked
	Search   []string         `json:"search,omitempty"`
	Ndots    int              `json:"ndots,omitempty"`
	Timeout  time.Duration    `json:"timeout_ns,omitempty"` // of one question to one server
	Attempts int              `json:"attempts,omitempty"`   // rounds over all servers
	Options  []string         `json:"options,omitempty"`    // resolv.conf(5), as heeded: "rotate", "use-vc", "single-request", "trust-ad"
	Order    []string         `json:"order,omitempty"`      // nsswitch.conf(5), as used: "files", "dns"
	Ignored  []string         `json:"ignored,omitempty"`    // what this host names and that was not asked or heeded: "mdns4_minimal", "sss", "options inet6"
	Why      string           `json:"why,omitempty"`        // why they were not asked
}

// HostsEntry is what the hosts file said of the name.
type HostsEntry struct {
	File  string       `json:"file"`
	Name  string       `json:"name"`
	Addrs []netip.Addr `json:"addrs,omitempty"` // empty: the file has no such name
	Line  int          `json:"line,omitempty"`
}

// Lookup is one question to one server and what came of it.
type Lookup struct {
	Server    netip.AddrPort `json:"server"`
	Transport string         `json:"transport"` // udp, tcp
	Name      string         `json:"name"`      // fully qualified
	Type      string         `json:"type"`      // A, AAAA, HTTPS, SVCB
	Took      time.Duration  `json:"took_ns"`
	Rcode     string         `json:"rcode,omitempty"` // NOERROR, NXDOMAIN, SERVFAIL, REFUSED, ... empty: no answer came
	Addrs     []netip.Addr   `json:"addrs,omitempty"`
	CNAMEs    []string       `json:"cnames,omitempty"` // the chain, in order
	TTL       uint32         `json:"ttl,omitempty"`    // the smallest on the way, seconds
	Services  []Service      `json:"services,omitempty"`
	EDE       string         `json:"ede,omitempty"`       // extended DNS error (RFC 8914): "22 No Reachable Authority"
	Truncated bool           `json:"truncated,omitempty"` // TC: asked again over TCP
	Timeout   bool           `json:"timeout,omitempty"`   // nothing came in the time allowed
	Errno     Errno          `json:"errno,omitempty"`     // the way to the server itself failed
	Offender  netip.Addr     `json:"offender,omitzero"`   // who sent the ICMP error behind Errno
	Cancelled bool           `json:"cancelled,omitempty"` // the caller gave up before anything came
	Ignored   int            `json:"ignored,omitempty"`   // datagrams that came and did not answer this question (another id or name); the wait went on
	Malformed string         `json:"malformed,omitempty"` // what is wrong with what came; with an Rcode the rest of it was usable
}

// Service is one SVCB or HTTPS record (RFC 9460).
type Service struct {
	Priority uint16       `json:"priority"` // 0: alias form
	Target   string       `json:"target"`   // "." is the owner itself
	ALPN     []string     `json:"alpn,omitempty"`
	Port     uint16       `json:"port,omitempty"`
	Hints    []netip.Addr `json:"hints,omitempty"` // ipv4hint, ipv6hint
	ECH      bool         `json:"ech,omitempty"`
	Ignored  string       `json:"ignored,omitempty"` // why the record was not used: a mandatory key that is not understood (RFC 9460 §8)
}

// Candidates is the order in which the addresses are tried (RFC 6724 §6, then
// interleaved as RFC 8305 §4 says). From names who supplied them: "literal",
// "hosts", "dns", "localhost" (RFC 6761 §6.3: nobody was asked), "resolver" (a
// *net.Resolver given by the caller).
type Candidates struct {
	From   string           `json:"from"`
	Addrs  []netip.AddrPort `json:"addrs,omitempty"`
	Took   time.Duration    `json:"took_ns,omitempty"` // the whole resolution
	Error  string           `json:"error,omitempty"`   // a caller's resolver failed in its own words
	Absent bool             `json:"absent,omitempty"`  // the resolver says that there is no such name or no address
}

func (*ResolverConfig) Kind() Kind { return "resolver_config" }
func (*HostsEntry) Kind() Kind     { return "hosts_entry" }
func (*Lookup) Kind() Kind         { return "lookup" }
func (*Candidates) Kind() Kind     { return "candidates" }
