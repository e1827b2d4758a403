package cause

import (
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// neighbourTimeout is when the last router on the way reports that a host does
// not answer ARP or ND: three requests a second apart (arp(7), mcast_solicit,
// retrans_time_ms; RFC 4861 §7.2.2), and a margin.
const neighbourTimeout = 3300 * time.Millisecond

// Explained says that an attempt that goes on without an answer may be ended: no
// answer that could still come would say more. That is so when it is certain what
// stops every SYN, or when experiments show where the SYN died and it was repeated in
// vain: by the kernel, or sooner by a probe, where the kernel's would say
// nothing beyond (see [view.repeated]). Where nothing at all answers from behind
// the last router, that router's own report is awaited first, if any router has
// been heard of.
func Explained(d *evidence.Dial, i int) bool {
	v := look(d.Network, &d.Attempts[i])
	if good, broken, _ := v.answers(); v.unanswered() && v.repeated() && len(good)+len(broken) > 0 {
		return true // and none of them reached the socket
	}
	if !v.silent() || !v.tcp() || v.survey != nil && v.survey.target.answered() {
		return false
	}
	all := v.readings()
	switch {
	case len(all) == 0, v.unresolvedHop():
		return false // the kernel itself will report it
	case all[0].confidence == Certain && (all[0].rule.id == LinkDown || v.filterOut.Stops() != nil || v.filterIn.Stops() != nil):
		return true // what stopped this SYN stops the next
	case !v.repeated():
		return false
	case v.survey != nil && v.survey.plain.answer != "" && v.sysctls["net.ipv4.tcp_ecn"] == "1" && v.resent() < 2:
		return false // a plain SYN was answered, and the second one is plain (tcp_ecn_clear_syn)
	case all[0].confidence == Certain:
		return true
	case v.toSelf():
		return all[0].confidence != Possible
	case v.survey == nil:
		return false
	}
	return v.survey.alive != "" || all[0].confidence != Possible || v.waited() >= neighbourTimeout || v.survey.mute()
}

// mute says that no router on the way told where a packet's TTL ended, asked
// twice at the first hop: routers that say nothing, or whose words are dropped,
// are not waited for.
func (s *survey) mute() bool {
	for _, t := range append([]*trail{s.target}, s.references...) {
		if t.heard() {
			return false
		}
	}
	return s.target != nil && s.target.asked[1] >= 2
}

// repeated says that the SYN was sent again in vain. The kernel's own
// repetition counts, and so does a probe's, if the kernel's would be no other
// packet (with ECN on, its second SYN has none: tcp_ecn_clear_syn) and if it is
// known whether packets for this port leave this host: else the counter of
// failed repetitions will tell.
func (v *view) repeated() bool {
	if v.resent() > 0 || v.failedHere() > 0 {
		return true
	}
	s, ecn := v.survey, v.sysctls["net.ipv4.tcp_ecn"]
	if s == nil || !s.target.insisted() || ecn != "0" && ecn != "2" {
		return false
	}
	return s.target.heard() || v.filterOut.Clear() || v.neverLeft()
}
