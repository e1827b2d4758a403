package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/lab/peer"
)

var nameFormat = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// check says what is wrong with a filled scenario, by its key.
func (s *Scenario) check() error {
	switch {
	case !nameFormat.MatchString(s.Name):
		return at("name", "%q: write small letters, digits and single hyphens", s.Name)
	case s.Title == "":
		return at("title", "is missing")
	case s.Teaches == "":
		return at("teaches", "is missing: a paragraph that says what is to be learned here")
	case s.Dial.Target == "":
		return at("dial.target", "is missing")
	}
	for i := range s.Services {
		if err := s.Services[i].check(s.Plan); err != nil {
			return under(fmt.Sprintf("services[%d]", i), err)
		}
	}
	for i := range s.Faults {
		if err := s.Faults[i].check(s); err != nil {
			return under(fmt.Sprintf("faults[%d]", i), err)
		}
	}
	if s.Peer != nil {
		if _, err := peer.Parse(s.Peer.Script); err != nil {
			return at("peer.script", "%v", err)
		}
	}
	if s.Confine != nil {
		if err := s.Confine.check(); err != nil {
			return under("confine", err)
		}
	}
	if s.Dial.Signal != "" && s.Dial.Signal != "INT" {
		return at("dial.signal", "%q: write INT", s.Dial.Signal)
	}
	for i := range s.Then {
		if err := s.Then[i].check(s); err != nil {
			return under(fmt.Sprintf("then[%d]", i), err)
		}
	}
	switch d := &s.Dial; {
	case d.Command != "" && d.Command != "dial" && d.Command != "talk":
		return at("dial.command", "%q: write dial or talk", d.Command)
	case d.Input != "" && (d.Input != "zero" || d.Command != "talk"):
		return at("dial.input", "%q: write zero, and only with command: talk", d.Input)
	}
	if err := s.Truth.check(); err != nil {
		return under("truth", err)
	}
	if s.Listener != nil {
		if err := s.Listener.check(s); err != nil {
			return under("listener", err)
		}
	}
	return under("expect", s.Expect.check())
}

// under puts a key in front of an error's own.
func under(key string, err error) error {
	var k *keyError
	if errors.As(err, &k) {
		return &keyError{strings.TrimSuffix(key+"."+k.key, "."), k.text}
	}
	return err
}

func (p *Plan) checkHost(name string) error {
	switch h := p.host(name); {
	case h == nil:
		return at("on", "there is no host %q; the hosts are %s", name, p.names())
	case h.Scripted:
		return at("on", "%s is played by the peer's script: say there what it does", name)
	}
	return nil
}

func (p *Plan) checkInterface(host, name string) error {
	if !slices.ContainsFunc(p.ends(host), func(e PlanEnd) bool { return e.Interface == name }) {
		return at("interface", "%s has no interface %q", host, name)
	}
	return nil
}

// services are what a [Service] can do.
var services = map[string]string{
	"accept":  "accepts and keeps connections",
	"close":   "accepts and closes at once",
	"reset":   "accepts and resets at once",
	"greet":   "accepts and speaks first",
	"discard": "accepts and reads what comes",
	"full":    "never accepts, and its queue is full",
	"echo":    "sends datagrams back",
	"dns":     "answers questions about names",
	"deaf":    "receives datagrams and never answers",
	"bound":   "is bound and does not listen",
	"listen":  "is dialscope listen, with flags",
}

func (v *Service) check(p *Plan) error {
	if err := p.checkHost(v.On); err != nil {
		return err
	}
	if _, err := netip.ParseAddrPort(v.At); err != nil {
		return at("at", "%q: write ADDRESS:PORT", v.At)
	}
	if services[v.Does] == "" {
		return at("does", "%q: write accept, close, reset, greet, discard, full, bound, listen, echo, deaf or dns", v.Does)
	}
	if _, err := personality(v.Flags); err != nil {
		return err
	}
	if len(v.Flags) > 0 && v.Does != "listen" {
		return at("flags", "they are for does: listen")
	}
	for name, addrs := range v.Names {
		for _, a := range addrs {
			if _, err := netip.ParseAddr(a); err != nil {
				return at("names."+name, "%q is no address", a)
			}
		}
	}
	if _, known := rcodes[v.Rcode]; !known {
		return at("rcode", "%q: write one of %s", v.Rcode, strings.Join(sortedNames(rcodes), ", "))
	}
	return nil
}

func (f *Fault) check(s *Scenario) error {
	var set []string
	var err error
	note := func(key, on string, more func() error) {
		set = append(set, key)
		if e := s.Plan.checkHost(on); e != nil {
			err = under(key, e)
		} else if e := more(); e != nil {
			err = under(key, e)
		}
	}
	fine := func() error { return nil }
	if f.Firewall != nil {
		note("firewall", f.Firewall.On, func() error { _, err := f.Firewall.rule(s.Family); return err })
	}
	if f.SYNProxy != nil {
		note("synproxy", f.SYNProxy.On, fine)
	}
	if f.Route != nil {
		note("route", f.Route.On, func() error { return f.Route.check() })
	}
	if f.Rule != nil {
		note("rule", f.Rule.On, f.Rule.check)
	}
	if f.Link != nil {
		note("link", f.Link.On, func() error { return s.Plan.checkInterface(f.Link.On, f.Link.Interface) })
	}
	if a := f.Address; a != nil {
		note("address", a.On, func() error {
			if _, err := netip.ParsePrefix(a.Address); err != nil {
				return at("address", "%q: write ADDRESS/LENGTH", a.Address)
			}
			return s.Plan.checkInterface(a.On, a.Interface)
		})
	}
	if n := f.Neighbour; n != nil {
		note("neighbour", n.On, func() error {
			if _, err := netip.ParseAddr(n.Address); err != nil {
				return at("address", "%q is no address", n.Address)
			}
			if _, err := net.ParseMAC(n.Hardware); err != nil {
				return at("hardware", "%q is no hardware address", n.Hardware)
			}
			return s.Plan.checkInterface(n.On, n.Interface)
		})
	}
	if y := f.Sysctl; y != nil {
		note("sysctl", y.On, func() error {
			if !strings.HasPrefix(y.Name, "net.") {
				return at("name", "%q: only those of a network namespace, net.…", y.Name)
			}
			return nil
		})
	}
	if c := f.Connect; c != nil {
		note("connect", c.On, func() error {
			if _, err := netip.ParseAddrPort(c.To); err != nil {
				return at("to", "%q: write ADDRESS:PORT", c.To)
			}
			if _, err := netip.ParseAddrPort(c.From); err != nil && c.From != "" {
				return at("from", "%q: write ADDRESS:PORT", c.From)
			}
			return nil
		})
	}
	if y := f.Stateful; y != nil {
		note("stateful", y.On, func() error {
			if y.Idle < time.Second || y.Idle%time.Second != 0 {
				return at("idle", "%v: write whole seconds, such as 1s", y.Idle)
			}
			return nil
		})
	}
	if f.Conntrack != nil {
		note("conntrack", f.Conntrack.On, fine)
	}
	if len(set) != 1 {
		return at("", "a fault is exactly one of address, connect, conntrack, firewall, link, neighbour, route, rule, stateful, synproxy, sysctl; here are %d", len(set))
	}
	return err
}

func (t *Step) check(s *Scenario) error {
	switch {
	case (t.Fault == nil) == (t.Connections == nil):
		return at("", "a step is exactly one of fault, connections")
	case t.After < 0 || t.After > 10*time.Second:
		return at("after", "%v: write 0 to 10s", t.After)
	case t.Fault != nil:
		return under("fault", t.Fault.check(s))
	}
	if err := s.Plan.checkHost(t.Connections.On); err != nil {
		return under("connections", err)
	}
	switch t.Connections.Do {
	case "close", "finish", "reset", "forget", "end", "destroy":
		return nil
	}
	return at("connections.do", "%q: write close, finish, reset, forget, end or destroy", t.Connections.Do)
}

func (r *RouteFault) check() error {
	if _, err := prefix(r.To); err != nil || r.To == "" {
		return at("to", "%q is no network", r.To)
	}
	switch r.Kind {
	case "unreachable", "prohibit", "blackhole", "throw", "delete":
		return nil
	case "":
		if _, err := netip.ParseAddr(r.Via); err != nil && r.Dev == "" {
			return at("via", "%q: write a gateway's address, or dev", r.Via)
		}
		return nil
	}
	return at("kind", "%q: write unreachable, prohibit, blackhole, throw or delete", r.Kind)
}

func (c *Confinement) check() error {
	switch {
	case c.Deny != "" && c.Deny != "seccomp" && c.Deny != "landlock" && c.Deny != "cgroup":
		return at("deny", "%q: write seccomp, landlock or cgroup", c.Deny)
	case c.Descriptors != nil && *c.Descriptors < 0:
		return at("descriptors", "%d: write a number from 0 on", *c.Descriptors)
	}
	return nil
}

var outcomes = []cause.Outcome{
	cause.Open, cause.Refused, cause.Reset, cause.Closed, cause.Timeout, cause.Unreachable,
	cause.Denied, cause.LocalFault, cause.Unresolved, cause.Cancelled,
}

func (t *Truth) check() error {
	if _, ok := cause.Lookup(t.Cause); !ok {
		return at("cause", "%q is no cause: see dialscope --explain list", t.Cause)
	}
	for i, id := range t.Also {
		if _, ok := cause.Lookup(id); !ok {
			return at(fmt.Sprintf("also[%d]", i), "%q is no cause", id)
		}
	}
	if !slices.Contains(outcomes, t.Outcome) {
		return at("outcome", "%q: write one of %v", t.Outcome, outcomes)
	}
	if _, ok := cause.LookupErrno(t.Errno); !ok && t.Errno != "" {
		return at("errno", "%q is no errno", t.Errno)
	}
	if _, err := parseCulprit(t.Culprit); err != nil {
		return at("culprit", "%v", err)
	}
	if t.Unprivileged != nil {
		return under("unprivileged", t.Unprivileged.check())
	}
	return nil
}

func (e *Expect) check() error {
	for key, c := range map[string]cause.Confidence{"at_least": e.AtLeast, "at_most": e.AtMost} {
		if c != "" && rank(c) < 0 {
			return at(key, "%q: write certain, likely or possible", c)
		}
	}
	if e.Culprit != "" {
		if _, err := parseCulprit(e.Culprit); err != nil {
			return at("culprit", "%v", err)
		}
	}
	if e.Unprivileged != nil {
		return under("unprivileged", e.Unprivileged.check())
	}
	return nil
}

// rank orders confidences, the strongest first; -1 is none of them.
func rank(c cause.Confidence) int {
	return slices.Index([]cause.Confidence{cause.Certain, cause.Likely, cause.Possible}, c)
}

// parseCulprit reads "router 198.51.100.2", or a kind alone.
func parseCulprit(text string) (c cause.Culprit, err error) {
	kind, addr, found := strings.Cut(text, " ")
	c.Kind = cause.Kind(kind)
	switch c.Kind {
	case cause.Local, cause.Resolver, cause.Router, cause.Path, cause.Destination, cause.Nobody:
	default:
		return c, fmt.Errorf("%q: write local, resolver, router, path, destination or none, and an address where there is one", text)
	}
	if found {
		if c.Address, err = netip.ParseAddr(addr); err != nil {
			return c, fmt.Errorf("%q: %q is no address", text, addr)
		}
	}
	return c, nil
}
