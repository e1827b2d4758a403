package resolve

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func servers(s ...string) (all []netip.AddrPort) {
	for _, one := range s {
		all = append(all, netip.AddrPortFrom(netip.MustParseAddr(one), 53))
	}
	return all
}

func TestParseResolvConf(t *testing.T) {
	var defaultSearch []string
	if name, err := os.Hostname(); err == nil {
		if _, domain, ok := strings.Cut(name, "."); ok {
			defaultSearch = []string{domain + "."}
		}
	}
	base := func(change func(*resolvConf)) *resolvConf {
		c := &resolvConf{servers: servers("127.0.0.1", "::1"), search: defaultSearch, ndots: 1, timeout: 5 * time.Second, attempts: 2}
		change(c)
		return c
	}
	for name, test := range map[string]struct {
		text string
		want *resolvConf
	}{
		"empty": {"", base(func(*resolvConf) {})},
		"usual": {"# made by hand\n; really\nnameserver 192.0.2.1\r\nnameserver\t2001:db8::1\nnameserver fe80::1%eth0\nnameserver 192.0.2.4\nsearch a.example b.example.\n",
			base(func(c *resolvConf) {
				c.servers = servers("192.0.2.1", "2001:db8::1", "fe80::1%eth0")
				c.search = []string{"a.example.", "b.example."}
			})},
		"not addresses": {"nameserver ns.example\nnameserver\nnameserver 192.0.2.1:53\nnameserver 192.0.2.7",
			base(func(c *resolvConf) { c.servers = servers("192.0.2.7") })},
		"the last of domain and search": {"domain d.example\nsearch s.example\ndomain last.example\ndomain\n",
			base(func(c *resolvConf) { c.search = []string{"last.example."} })},
		"a dot is no domain": {"search . a.example .\n", base(func(c *resolvConf) { c.search = []string{"a.example."} })},
		"numbers": {"options ndots:3 timeout:7 attempts:4",
			base(func(c *resolvConf) { c.ndots, c.timeout, c.attempts = 3, 7*time.Second, 4 })},
		"numbers clamped": {"options ndots:99 timeout:0 attempts:-1",
			base(func(c *resolvConf) { c.ndots, c.timeout, c.attempts = 15, time.Second, 1 })},
		"no numbers": {"options ndots: timeout:x attempts", base(func(c *resolvConf) {
			c.ndots, c.timeout, c.attempts = 0, time.Second, 1
		})},
		"huge numbers": {"options timeout:99999999999999999999",
			base(func(c *resolvConf) { c.timeout = 1_000_000 * time.Second })},
		"words": {"options rotate edns0 use-vc trust-ad no-reload single-request-reopen",
			base(func(c *resolvConf) {
				c.rotate, c.useTCP, c.trustAD, c.noReload, c.singleRequest = true, true, true, true, true
				c.options = []string{"rotate", "edns0", "use-vc", "trust-ad", "no-reload", "single-request-reopen"}
			})},
		"unknown": {"options inet6 debug\nsortlist 192.0.2.0\nfamily inet4\n",
			base(func(c *resolvConf) { c.unknown = []string{"options inet6", "options debug", "sortlist", "family"} })},
		"comment not in front": {"nameserver 192.0.2.1 # mine\n  # indented\n", base(func(c *resolvConf) {
			c.servers = servers("192.0.2.1")
			c.unknown = []string{"#"}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseResolvConf([]byte(test.text))
			if diff := cmp.Diff(test.want, got, options, cmp.AllowUnexported(resolvConf{}), cmpopts.IgnoreFields(resolvConf{}, "turn")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add([]byte("nameserver 192.0.2.1\nsearch a b\noptions ndots:2 rotate timeout:1 attempts:9\n"))
	f.Add([]byte("options ndots:-1\ndomain\nsearch .\nnameserver fe80::1%0\n"))
	f.Add([]byte("\x00\n\r\n;#\n options\tndots:\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := parseResolvConf(text)
		if n := len(c.servers); n < 1 || n > 3 {
			t.Errorf("%d servers", n)
		}
		if c.ndots < 0 || c.ndots > 15 || c.timeout < time.Second || c.attempts < 1 {
			t.Errorf("ndots %d, timeout %v, attempts %d", c.ndots, c.timeout, c.attempts)
		}
		for _, s := range c.search {
			if s == "." || !strings.HasSuffix(s, ".") {
				t.Errorf("search %q", s)
			}
		}
		for _, name := range candidateNames("host", c.search, c.ndots) {
			if len(name) > 254 || !strings.HasSuffix(name, ".") {
				t.Errorf("name %q", name)
			}
		}
	})
}
