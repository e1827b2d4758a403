package resolve

import (
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const dnsPort = 53

// resolvConf is what resolv.conf(5) says, with its defaults filled in.
type resolvConf struct {
	servers       []netip.AddrPort
	search        []string // rooted
	ndots         int
	timeout       time.Duration
	attempts      int
	rotate        bool
	singleRequest bool // A and AAAA one after the other
	useTCP        bool
	trustAD       bool
	noReload      bool
	options       []string // those that were understood and are not numbers
	unknown       []string // directives and options that were not understood

	turn *atomic.Uint32 // rotate: where the next question begins
}

func defaultResolvConf() *resolvConf {
	return &resolvConf{ndots: 1, timeout: 5 * time.Second, attempts: 2, turn: new(atomic.Uint32)}
}

// parseResolvConf reads the file as Go's resolver does: at most three servers,
// the last search or domain line, numbers clamped. What an empty file leaves
// open is filled in: the servers 127.0.0.1 and ::1, and the domain of the host's
// own name as search list.
func parseResolvConf(text []byte) *resolvConf {
	c := defaultResolvConf()
	for line := range strings.Lines(string(text)) {
		if line[0] == ';' || line[0] == '#' {
			continue
		}
		f := fields(line)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if len(f) < 2 || len(c.servers) == 3 { // resolv.conf(5), MAXNS
				break
			}
			if a, err := netip.ParseAddr(f[1]); err == nil {
				c.servers = append(c.servers, netip.AddrPortFrom(a, dnsPort))
			}
		case "domain":
			if len(f) > 1 {
				c.search = []string{rooted(f[1])}
			}
		case "search":
			c.search = nil
			for _, s := range f[1:] {
				if s = rooted(s); s != "." {
					c.search = append(c.search, s)
				}
			}
		case "options":
			for _, o := range f[1:] {
				c.option(o)
			}
		default:
			c.unknown = append(c.unknown, f[0])
		}
	}
	c.fill()
	return c
}

func (c *resolvConf) option(o string) {
	name, value, _ := strings.Cut(o, ":")
	switch name {
	case "ndots":
		c.ndots = min(max(leadingInt(value), 0), 15)
		return
	case "timeout":
		c.timeout = time.Duration(max(leadingInt(value), 1)) * time.Second
		return
	case "attempts":
		c.attempts = max(leadingInt(value), 1)
		return
	case "rotate":
		c.rotate = true
	case "single-request", "single-request-reopen":
		c.singleRequest = true
	case "use-vc", "usevc", "tcp": // Linux, FreeBSD, OpenBSD
		c.useTCP = true
	case "trust-ad":
		c.trustAD = true
	case "no-reload":
		c.noReload = true
	case "edns0": // always on
	default:
		c.unknown = append(c.unknown, "options "+o)
		return
	}
	c.options = append(c.options, o)
}

func (c *resolvConf) fill() {
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort),
			netip.AddrPortFrom(netip.IPv6Loopback(), dnsPort),
		}
	}
	if len(c.search) == 0 {
		if name, err := os.Hostname(); err == nil {
			if _, domain, ok := strings.Cut(name, "."); ok && domain != "" {
				c.search = []string{rooted(domain)}
			}
		}
	}
}

func rooted(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// fields splits at blanks, tabs and line ends only.
func fields(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
}

// leadingInt reads the digits at the start of s: 0 when there are none, and
// never more than a million.
func leadingInt(s string) int {
	n := 0
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), 1_000_000)
	}
	return n
}
