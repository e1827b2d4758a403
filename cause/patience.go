package cause

import (
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// neighbourTimeout is when the last router on the way reports that a host does
// not answer ARP or ND: three requests a second apart (arp(7), mcast_solicit,
// retrans_time_ms; RFC 4861 §7.2.2), and a margin.
const neighbourTimeout = 3300 * time.Millisecond

// Explained says that an attempt that goes on without an answer may be ended:
// its SYN was sent again in vain, experiments show where both died, and no
// answer that could still come would say more. Where nothing at all answers
// from behind the last router, that router's own report is awaited first. Where
// the kernel of this host said that it threw the packets away, no experiment is
// needed.
func Explained(d *evidence.Dial, i int) bool {
	v := look(d.Network, &d.Attempts[i])
	s := v.survey
	if !v.silent() || !v.tcp() || s != nil && s.target.answered() {
		return false
	}
	if v.resent() == 0 && !v.increased("TcpExt.TCPRetransFail") {
		return false
	}
	all := v.readings()
	switch {
	case len(all) == 0:
		return false
	case len(v.kernel.drops) > 0 && all[0].confidence == Certain:
		return true // this host's kernel said it
	case s == nil:
		return false
	}
	return s.alive != "" || all[0].confidence != Possible || v.waited() >= neighbourTimeout
}
