package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/dialscope/dialscope/internal/host/netns"
)

// inflict does one fault to the network.
func (st *Stand) inflict(ctx context.Context, f *Fault) error {
	switch {
	case f.Firewall != nil:
		rule, err := f.Firewall.rule(st.Scenario.Family)
		if err != nil {
			return err
		}
		_, err = st.hosts[f.Firewall.On].Firewall(rule)
		return err
	case f.SYNProxy != nil:
		_, err := st.hosts[f.SYNProxy.On].SYNProxy(netns.Forward, f.SYNProxy.Port)
		return err
	case f.Route != nil:
		return f.Route.apply(st.hosts[f.Route.On])
	case f.Rule != nil:
		return st.hosts[f.Rule.On].RejectBy(f.Rule.rule())
	case f.Link != nil:
		return st.hosts[f.Link.On].SetLink(f.Link.Interface, false)
	case f.Address != nil:
		return st.hosts[f.Address.On].AddAddr(f.Address.Interface, netip.MustParsePrefix(f.Address.Address))
	case f.Neighbour != nil:
		hw, err := net.ParseMAC(f.Neighbour.Hardware)
		if err != nil {
			return err
		}
		return st.hosts[f.Neighbour.On].Neighbour(netip.MustParseAddr(f.Neighbour.Address), hw, f.Neighbour.Interface)
	case f.Sysctl != nil:
		return st.hosts[f.Sysctl.On].Sysctl(f.Sysctl.Name, f.Sysctl.Value)
	case f.Connect != nil:
		return st.holdConnections(ctx, f.Connect)
	case f.Stateful != nil:
		_, err := st.hosts[f.Stateful.On].Stateful(f.Stateful.Idle)
		return err
	case f.Conntrack != nil:
		return f.Conntrack.apply(st.hosts[f.Conntrack.On])
	}
	return fmt.Errorf("no fault")
}

func (r *RouteFault) apply(h *netns.Host) error {
	to, err := prefix(r.To)
	if err != nil {
		return err
	}
	if kind, rejects := rejectKinds[r.Kind]; rejects {
		return h.RejectRoute(to, kind)
	}
	if r.Kind == "delete" {
		return h.DelRoute(to)
	}
	if r.Via == "" {
		return h.AddLinkRoute(to, r.Dev)
	}
	via, err := netip.ParseAddr(r.Via)
	if err != nil {
		return err
	}
	return h.AddRoute(to, via)
}

// apply makes the host track connections, which translation of addresses
// does, and fills the table: its limit is one for all network namespaces.
func (f *ConntrackFault) apply(h *netns.Host) error {
	if _, err := h.Firewall(netns.Rule{
		Hook: netns.Postrouting, Match: netns.Match{Protocol: netns.TCP}, Verdict: netns.Masquerade(),
	}); err != nil {
		return err
	}
	return h.FillConntrack()
}
