package lab

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Commands are the shell commands, for root, with which a person builds the
// scenario by hand (ip(8), nft(8), sysctl(8)), dials, and takes it down again.
// Hosts are network namespaces of their names.
func (s *Scenario) Commands() []string {
	var c commands
	for _, h := range s.Plan.Hosts {
		if h.Scripted {
			continue
		}
		c.add("ip netns add %s", h.Name)
		c.in(h.Name, "ip link set lo up")
		if h.Router {
			c.in(h.Name, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
		}
	}
	for _, l := range s.Plan.Links {
		if s.Plan.host(l.B.Host).Scripted {
			c.in(l.A.Host, "ip tuntap add mode tun %s", l.A.Interface)
			c.end(l.A)
			c.add("# the other end of %s is played by a program: %s", l.A.Interface, "dialscope lab shell "+s.Name)
			continue
		}
		c.add("ip link add %s netns %s type veth peer name %s netns %s", l.A.Interface, l.A.Host, l.B.Interface, l.B.Host)
		c.end(l.A)
		c.end(l.B)
	}
	for _, r := range s.Plan.Routes {
		if r.To.Addr().Is4() == (s.Family == 4) {
			c.in(r.Host, "ip route add %s via %s", r.To, r.Via)
		}
	}
	for i := range s.Services {
		c.service(&s.Services[i])
	}
	for i := range s.Faults {
		c.fault(&s.Faults[i], s.Family)
	}
	c.lines = append(c.lines, s.ByHand...)
	c.in("client", "%s", s.CommandLine())
	c.then(s)
	for _, h := range s.Plan.Hosts {
		if !h.Scripted {
			c.add("ip netns del %s", h.Name)
		}
	}
	return c.lines
}

// Changes are the commands that set up what is special about the scenario: its
// services, and its faults.
func (s *Scenario) Changes() []string {
	var c commands
	for i := range s.Services {
		c.service(&s.Services[i])
	}
	for i := range s.Faults {
		c.fault(&s.Faults[i], s.Family)
	}
	for i, l := range c.lines {
		l = strings.TrimPrefix(l, "ip netns exec ")
		host, rest, _ := strings.Cut(l, " ")
		c.lines[i] = host + ": " + rest
	}
	return c.lines
}

// CommandLine is what is typed, within the limits that the scenario sets.
func (s *Scenario) CommandLine() string {
	words := []string{"dialscope"}
	for _, a := range s.Args() {
		words = append(words, quoted(a))
	}
	line := strings.Join(words, " ")
	if s.Dial.Input == "zero" {
		line += " </dev/zero"
	}
	switch {
	case s.Confine == nil:
		return line
	case s.Confine.Descriptors != nil:
		return "bash -c 'ulimit -n 8; exec " + line + "'"
	}
	return line + "  # under a " + s.Confine.Deny + " policy that denies connect: dialscope lab run " + s.Name
}

func quoted(word string) string {
	if strings.ContainsAny(word, " *[]()&;<>|$`'\"\\") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// commands collects lines.
type commands struct {
	lines  []string
	tables map[string]bool // hosts that have an nft table
}

func (c *commands) add(format string, args ...any) {
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

func (c *commands) in(host, format string, args ...any) {
	c.add("ip netns exec "+host+" "+format, args...)
}

func (c *commands) end(e PlanEnd) {
	for _, a := range e.Addrs {
		nodad := ""
		if a.Addr().Is6() {
			nodad = " nodad"
		}
		c.in(e.Host, "ip addr add %s dev %s%s", a, e.Interface, nodad)
	}
	c.in(e.Host, "ip link set %s up", e.Interface)
}

func (c *commands) service(v *Service) {
	at, _ := netip.ParseAddrPort(v.At) // checked when the scenario was read
	listen := fmt.Sprintf("%s,bind=%s", strconv.Itoa(int(at.Port())), at.Addr())
	if at.Addr().Is6() {
		listen = fmt.Sprintf("%d,bind=[%s]", at.Port(), at.Addr())
	}
	switch v.Does {
	case "accept":
		c.in(v.On, "socat TCP-LISTEN:%s,fork EXEC:'sleep 60' &", listen)
	case "discard":
		c.in(v.On, "socat -u TCP-LISTEN:%s,fork /dev/null &", listen)
	case "close":
		c.in(v.On, "socat TCP-LISTEN:%s,fork EXEC:true &", listen)
	case "reset":
		c.in(v.On, "socat TCP-LISTEN:%s,fork,linger=0 EXEC:true &", listen)
	case "greet":
		c.in(v.On, "socat TCP-LISTEN:%s,fork SYSTEM:'echo 220 ready; sleep 60' &", listen)
	case "full":
		c.in(v.On, "python3 -c 'import socket,time; s=socket.socket(socket.%s); s.bind((\"%s\",%d)); s.listen(0); c=socket.create_connection((\"%s\",%d)); time.sleep(600)' &",
			map[bool]string{true: "AF_INET", false: "AF_INET6"}[at.Addr().Is4()], at.Addr(), at.Port(), at.Addr(), at.Port())
	case "listen":
		words := append([]string{"dialscope", "listen", v.At}, v.Flags...)
		for i, word := range words {
			if strings.ContainsAny(word, " '\"") {
				words[i] = strconv.Quote(word)
			}
		}
		c.in(v.On, "%s &", strings.Join(words, " "))
	case "echo":
		c.in(v.On, "socat UDP-LISTEN:%s,fork EXEC:cat &", listen)
	case "deaf":
		c.in(v.On, "socat -u UDP-RECV:%s /dev/null &", listen)
	case "dns":
		var names []string
		for _, n := range sortedNames(v.Names) {
			for _, a := range v.Names[n] {
				names = append(names, fmt.Sprintf(" --address=/%s/%s", n, a))
			}
		}
		c.in(v.On, "dnsmasq --no-resolv --no-hosts --bind-interfaces --listen-address=%s%s%s", at.Addr(), strings.Join(names, ""),
			map[bool]string{true: "  # with every answer's rcode " + v.Rcode}[v.Rcode != ""])
	default:
		c.add("# %s: a socket %s at %s", v.On, services[v.Does], v.At)
	}
}

func (c *commands) fault(f *Fault, family int) {
	switch {
	case f.Firewall != nil:
		c.rule(f.Firewall, family)
	case f.SYNProxy != nil:
		h, port := f.SYNProxy.On, f.SYNProxy.Port
		c.in(h, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 net.ipv4.tcp_syncookies=1 net.ipv4.tcp_timestamps=1")
		c.table(h)
		c.in(h, "nft add chain inet lab raw '{ type filter hook prerouting priority raw; }'")
		c.in(h, "nft add rule inet lab raw tcp dport %d tcp flags syn notrack", port)
		c.in(h, "nft add chain inet lab forward '{ type filter hook forward priority filter; }'")
		c.in(h, "nft add rule inet lab forward tcp dport %d ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm", port)
		c.in(h, "nft add rule inet lab forward tcp dport %d ct state invalid drop", port)
	case f.Route != nil:
		r := f.Route
		switch {
		case r.Kind == "delete":
			c.in(r.On, "ip route del %s", r.To)
		case r.Kind != "":
			c.in(r.On, "ip route add %s %s", r.Kind, r.To)
		case r.Via != "":
			c.in(r.On, "ip route add %s via %s", r.To, r.Via)
		default:
			c.in(r.On, "ip route add %s dev %s", r.To, r.Dev)
		}
	case f.Rule != nil:
		c.in(f.Rule.On, "%s", f.Rule.command(family))
	case f.Link != nil:
		c.in(f.Link.On, "ip link set %s down", f.Link.Interface)
	case f.Address != nil:
		c.in(f.Address.On, "ip addr add %s dev %s", f.Address.Address, f.Address.Interface)
	case f.Neighbour != nil:
		n := f.Neighbour
		c.in(n.On, "ip neigh add %s lladdr %s dev %s nud permanent", n.Address, n.Hardware, n.Interface)
	case f.Sysctl != nil:
		c.in(f.Sysctl.On, "sysctl -qw %s=%s", f.Sysctl.Name, quoted(f.Sysctl.Value))
	case f.Connect != nil:
		to, _ := netip.ParseAddrPort(f.Connect.To)
		for range max(1, f.Connect.Count) {
			bind := ""
			if f.Connect.From != "" {
				from, _ := netip.ParseAddrPort(f.Connect.From)
				bind = fmt.Sprintf(" -s %s -p %d", from.Addr(), from.Port())
			}
			c.in(f.Connect.On, "nc%s %s %d </dev/zero >/dev/null &", bind, to.Addr(), to.Port())
		}
		if f.Connect.Abandon {
			c.in(f.Connect.On, "ss -K dst %s dport = %d", to.Addr(), to.Port())
		}
	case f.Stateful != nil:
		h := f.Stateful.On
		c.in(h, "sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 net.netfilter.nf_conntrack_tcp_timeout_established=%d", int(f.Stateful.Idle.Seconds()))
		c.table(h)
		c.in(h, "nft add chain inet lab forward '{ type filter hook forward priority filter; }'")
		c.in(h, "nft add rule inet lab forward meta l4proto tcp ct state invalid drop")
	case f.Conntrack != nil:
		c.in(f.Conntrack.On, "nft add table ip nat")
		c.in(f.Conntrack.On, "nft add chain ip nat post '{ type nat hook postrouting priority srcnat; }'")
		c.in(f.Conntrack.On, "nft add rule ip nat post meta l4proto tcp masquerade")
		c.in(f.Conntrack.On, "sh -c 'for i in $(seq 0 $(sysctl -n net.netfilter.nf_conntrack_max)); do conntrack -I -p tcp --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 3600 -s 198.18.0.$((i/65536)) -d 198.19.0.1 --sport $((i%%65536)) --dport 9; done'")
	}
}

// then are the steps that follow while the connection stands, in another shell.
func (c *commands) then(s *Scenario) {
	for i := range s.Then {
		step := &s.Then[i]
		c.add("# %v later, while it stands:", step.After)
		if step.Fault != nil {
			c.fault(step.Fault, s.Family)
			continue
		}
		switch on := step.Connections.On; step.Connections.Do {
		case "end":
			c.add("# %s: ^C for dialscope listen", on)
			continue
		case "destroy":
			c.in(on, "ss -K state established")
			continue
		}
		c.add("# %s: %s", step.Connections.On, map[string]string{
			"close": "the program closes the connection (FIN)", "finish": "the program shuts its sending direction (FIN)", "reset": "the program closes it with SO_LINGER of 0 (RST)",
			"forget": "the kernel forgets the connection without a packet, as a host that starts anew (TCP_REPAIR and close)",
		}[step.Connections.Do])
	}
}

func (c *commands) table(host string) {
	if c.tables == nil {
		c.tables = map[string]bool{}
	}
	if !c.tables[host] {
		c.tables[host] = true
		c.in(host, "nft add table inet lab")
	}
}

// rule writes a firewall rule as nft(8) has it.
func (c *commands) rule(f *FirewallFault, family int) {
	c.table(f.On)
	kind, priority := "filter", "filter"
	word, arg, _ := strings.Cut(f.Verdict, " ")
	switch word {
	case "dnat", "redirect":
		kind, priority = "nat", "dstnat"
	case "masquerade":
		kind, priority = "nat", "srcnat"
	case "ttl":
		priority = "mangle"
	case "notrack":
		priority = "raw"
	}
	chain := f.Hook + "_" + priority
	c.in(f.On, "nft add chain inet lab %s '{ type %s hook %s priority %s; }'", chain, kind, f.Hook, priority)
	c.in(f.On, "nft add rule inet lab %s '%s'", chain, strings.TrimSpace(f.Match.nft(family)+" "+nftVerdict(word, arg, family)))
}

func (m *Match) nft(family int) string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	ip := map[int]string{4: "ip", 6: "ip6"}
	protocol := m.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	if m.In != "" {
		add("iifname %s", m.In)
	}
	if m.Out != "" {
		add("oifname %s", m.Out)
	}
	if m.Protocol != "" && m.Sport == 0 && m.Dport == 0 {
		add("meta l4proto %s", m.Protocol)
	}
	for _, side := range []struct{ name, value string }{{"saddr", m.Src}, {"daddr", m.Dst}} {
		if p, err := prefix(side.value); err == nil && p.IsValid() {
			f := 6
			if p.Addr().Is4() {
				f = 4
			}
			add("%s %s %s", ip[f], side.name, side.value)
		}
	}
	if m.Sport != 0 {
		add("%s sport %d", protocol, m.Sport)
	}
	if m.Dport != 0 {
		add("%s dport %d", protocol, m.Dport)
	}
	if m.Flags != "" {
		add("tcp flags & (fin|syn|rst|ack) == %s", strings.ReplaceAll(m.Flags, "-", "|"))
	}
	if m.Longer != 0 {
		add("meta length > %d", m.Longer)
	}
	if m.First != 0 {
		add("numgen inc mod 4294967295 < %d", m.First)
	}
	if m.Every != 0 {
		add("numgen inc mod %d < 1", m.Every)
	}
	return strings.Join(words, " ")
}

func nftVerdict(word, arg string, family int) string {
	switch word {
	case "reset":
		return "reject with tcp reset"
	case "reject":
		code, _ := rejectCode(arg, family) // checked when the scenario was read
		if family == 6 {
			return fmt.Sprintf("reject with icmpv6 type %d", code)
		}
		return fmt.Sprintf("reject with icmp type %d", code)
	case "ttl":
		if family == 6 {
			return "ip6 hoplimit set " + arg
		}
		return "ip ttl set " + arg
	case "dnat":
		if family == 6 {
			return "dnat ip6 to " + arg
		}
		return "dnat ip to " + arg
	case "redirect":
		return "redirect to :" + arg
	}
	return word
}
