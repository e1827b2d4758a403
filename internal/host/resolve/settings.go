package resolve

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/dialscope/dialscope/evidence"
)

// The files as they were last read, for all resolutions of this process.
var (
	resolvConfs = func() *fileCache[*resolvConf] {
		c := newFileCache(parseResolvConf)
		c.keep = func(conf *resolvConf) bool { return conf.noReload }
		return c
	}()
	hostsFiles = newFileCache(parseHosts)
	nsswitches = newFileCache(parseNsswitch)
)

// settings are one resolution's.
type settings struct {
	resolvConf // with the caller's choices in place of the file's
	edns       bool
	order      []string // "files", "dns"
	hosts      string   // path
}

// hasResolvConf reports whether this system's resolver is configured by files.
func hasResolvConf() bool {
	switch runtime.GOOS {
	case "windows", "plan9", "js", "wasip1", "android":
		return false
	}
	return true
}

// read gathers the settings and says what they are.
func (c *Config) read() (*settings, *evidence.ResolverConfig, error) {
	byHand := len(c.Servers) > 0
	path := or(c.ResolvConf, "/etc/resolv.conf")
	if !byHand && c.ResolvConf == "" && !hasResolvConf() {
		return nil, nil, errors.ErrUnsupported
	}
	conf, err := resolvConfs.get(path)
	s := &settings{resolvConf: *conf, edns: !ednsOff(), order: []string{"files", "dns"}, hosts: or(c.Hosts, "/etc/hosts")}
	// The cached file is shared; a fact belongs to its reader.
	fact := &evidence.ResolverConfig{File: path, Options: slices.Clone(conf.options), Ignored: slices.Clone(conf.unknown)}
	if byHand {
		fact.File = ""
		s.order = []string{"dns"}
		s.servers = make([]netip.AddrPort, len(c.Servers))
		for i, server := range c.Servers {
			if server.Port() == 0 {
				server = netip.AddrPortFrom(server.Addr(), dnsPort)
			}
			s.servers[i] = server
		}
	} else {
		if err != nil {
			fact.Missing = err.Error()
		}
		nss, err := nsswitches.get(or(c.Nsswitch, "/etc/nsswitch.conf"))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			var ignored []string
			s.order, ignored = nss.order()
			fact.Ignored = append(fact.Ignored, ignored...)
		}
		fact.Ignored = append(fact.Ignored, hostResolver()...)
	}
	if c.Timeout > 0 {
		s.timeout = c.Timeout
	}
	if c.Attempts > 0 {
		s.attempts = c.Attempts
	}
	fact.Servers, fact.Search, fact.Ndots = slices.Clone(s.servers), slices.Clone(s.search), s.ndots
	fact.Timeout, fact.Attempts, fact.Order = s.timeout, s.attempts, s.order
	if len(fact.Ignored) > 0 {
		fact.Why = "only the hosts file and name servers are asked here; libc may find other addresses through these"
	}
	return s, fact, nil
}

// hostResolver names what the system's own resolver would heed besides the
// files: environ(7) for libc, and on Darwin a daemon with its own configuration.
func hostResolver() (names []string) {
	for _, v := range []string{"LOCALDOMAIN", "RES_OPTIONS", "HOSTALIASES"} {
		if _, set := os.LookupEnv(v); set {
			names = append(names, "$"+v)
		}
	}
	if runtime.GOOS == "darwin" {
		names = append(names, "mDNSResponder")
	}
	return names
}

// ednsOff honours GODEBUG=netedns0=0, with which Go too asks without EDNS.
func ednsOff() bool {
	off := false
	for setting := range strings.SplitSeq(os.Getenv("GODEBUG"), ",") {
		if value, ok := strings.CutPrefix(setting, "netedns0="); ok {
			off = value == "0"
		}
	}
	return off
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
