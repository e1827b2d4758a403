package resolve

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// maxAliases bounds a chain of alias records, which may be a loop (RFC 9460 §3).
const maxAliases = 8

// serviceOwner is where the service records of a name are (RFC 9460 §2.3): with
// the port and scheme as labels in front, except for https at its own port.
// http and the WebSocket schemes have the records of https (§9.5, §9.6). ok is
// false when there is nothing to ask.
func (c *Config) serviceOwner(name string) (owner string, typ dnsmessage.Type, ok bool) {
	scheme, port := strings.ToLower(c.Scheme), c.Port
	if scheme == "" {
		scheme = map[uint16]string{443: "https", 80: "http"}[port]
	}
	if !c.ServiceRecords || scheme == "" {
		return "", 0, false
	}
	switch scheme {
	case "http", "ws":
		if port == 80 {
			port = 443
		}
		scheme = "https"
	case "wss":
		scheme = "https"
	}
	if scheme != "https" {
		return "_" + strconv.Itoa(int(port)) + "._" + scheme + "." + name, dnsmessage.TypeSVCB, true
	}
	if port == 443 || port == 0 {
		return name, dnsmessage.TypeHTTPS, true
	}
	return "_" + strconv.Itoa(int(port)) + "._https." + name, dnsmessage.TypeHTTPS, true
}

// services asks for service records and follows aliases. A chain that ends
// without a service leaves its last alias: the host to connect to in place of
// the one that was asked for (RFC 9460 §3).
func (r *resolution) services(ctx context.Context, name, owner string, typ dnsmessage.Type) lane {
	l := lane{typ: typeName(typ)}
	var alias *evidence.Service
	for range maxAliases {
		rep, err := r.lookup(ctx, owner, typ)
		if err != nil {
			if alias == nil || err.ended() {
				l.err = err
				return l
			}
			l.services = []evidence.Service{*alias}
			return l
		}
		usable := usableServices(rep.services)
		nothing := func(reason string) lane {
			l.err = &Error{Class: NoData, Name: owner, Type: l.typ, Rcode: rcodeName(rep.rcode), Reason: reason}
			return l
		}
		if len(usable) == 0 {
			return nothing("every record " + rep.services[0].Ignored)
		}
		if usable[0].Priority > 0 {
			l.services = effectiveTargets(usable, rep.owner, name, owner == name)
			return l
		}
		alias = &evidence.Service{Target: usable[0].Target}
		if alias.Target == "." {
			return nothing("the service is not available here (RFC 9460 §2.5.1)")
		}
		if reason := checkName(alias.Target); reason != "" {
			return nothing("the alias leads nowhere: " + reason)
		}
		owner = alias.Target
	}
	l.err = &Error{Class: Malformed, Name: owner, Type: l.typ, Reason: "more than " + strconv.Itoa(maxAliases) + " aliases in a row"}
	return l
}

// usableServices are the records that this client understands, by priority:
// an alias hides everything else (RFC 9460 §2.4.1).
func usableServices(all []evidence.Service) []evidence.Service {
	usable := slices.DeleteFunc(slices.Clone(all), func(s evidence.Service) bool { return s.Ignored != "" })
	slices.SortStableFunc(usable, func(a, b evidence.Service) int { return int(a.Priority) - int(b.Priority) })
	return usable
}

// effectiveTargets replaces the target "." by the records' owner (RFC 9460
// §2.5.2), and the name itself by ".". direct says that the records were found
// at the name without a port label and without an alias.
func effectiveTargets(services []evidence.Service, owner, name string, direct bool) []evidence.Service {
	for i := range services {
		s := &services[i]
		if s.Target == "." && !direct {
			s.Target = owner
		}
		if strings.EqualFold(s.Target, name) {
			s.Target = "."
		}
	}
	return services
}

// targets asks for the addresses of service targets that are not the host
// itself, beside everything else.
type targets struct {
	running sync.WaitGroup
	asked   []string
}

func (t *targets) wait() { t.running.Wait() }

func (t *targets) start(r *resolution, ctx context.Context, services []evidence.Service) {
	for _, s := range services {
		if s.Target == "." || len(t.asked) == maxTargets || checkName(s.Target) != "" ||
			slices.ContainsFunc(t.asked, func(asked string) bool { return strings.EqualFold(asked, s.Target) }) {
			continue
		}
		t.asked = append(t.asked, s.Target)
		for _, typ := range r.addressTypes() {
			t.running.Go(func() {
				l := r.addresses(ctx, s.Target, typ)
				a := Answer{Type: l.typ, From: "dns", Addrs: l.addrs, Target: s.Target}
				if l.err != nil {
					a.Err = l.err
				}
				r.answers <- a
			})
		}
	}
}
