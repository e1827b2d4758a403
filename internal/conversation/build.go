package conversation

import (
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/tcpstate"
)

var endNames = [...]string{tcpstate.Initiator: "initiator", tcpstate.Responder: "responder"}

var knownByNames = [...]string{tcpstate.BySYN: "syn", tcpstate.BySYNACK: "syn-ack", tcpstate.ByFirstPacket: "first-packet"}

// reportOf tells a connection's story, without verdict and ladder.
func reportOf(c *tcpstate.Conn) *Report {
	from, to := &c.Ends[tcpstate.Initiator], &c.Ends[tcpstate.Responder]
	r := &Report{
		Number: c.Number, Start: time.Unix(0, int64(c.First)).UTC(), FirstFrame: c.FirstFrame,
		Initiator: Endpoint(from.AddrPort()), Responder: Endpoint(to.AddrPort()), KnownBy: knownByNames[c.KnownBy],
		Packets:   Pair{uint64(from.Packets), uint64(to.Packets)},
		Payload:   Pair{from.Bytes, to.Bytes},
		Resent:    Pair{uint64(from.Resent), uint64(to.Resent)},
		Duration:  Seconds(c.Last - c.First),
		Handshake: c.Handshake().String(),
		SYNs:      from.SYNs, DistinctISN: c.Distinct,
		SYNACKs: to.SYNACKs, SYNACKBad: c.BadSYNACK,
		TTL:     PairOfTTL{ttls(from), ttls(to)},
		GivenUp: c.Evicted,
		States:  States{Initiator: from.State.String(), Responder: to.State.String()},
	}
	r.SYNResent = r.SYNs - min(r.DistinctISN, r.SYNs)
	r.SYNACKResent = r.SYNACKs - min(c.DistinctA+c.BadSYNACK, r.SYNACKs)
	for i := range c.Ends {
		if c.Ends[i].Inferred {
			r.States.Inferred = append(r.States.Inferred, endNames[i])
		}
	}
	r.handshake(c)
	r.ending(c)
	r.icmp(c)
	return r
}

func ttls(e *tcpstate.End) []int {
	all := make([]int, 0, 4)
	for _, ttl := range e.TTL() {
		all = append(all, int(ttl))
	}
	return all
}

func (r *Report) handshake(c *tcpstate.Conn) {
	seconds := func(d time.Duration) *Seconds { s := Seconds(d); return &s }
	if r.SYNs > 0 {
		r.SYNOptions = optionsOf(&c.SYN)
	}
	if r.SYNACKs > 0 {
		r.SYNACKOptions = optionsOf(&c.SYNACK)
	}
	if r.SYNs > 0 && c.HasSYNACK {
		r.SYNToSYNACK, r.LastToSYNACK = seconds(c.SYNACKAt-c.FirstSYN), seconds(c.SYNACKAt-c.LastSYN)
		rtt := int64(c.SYNACKAt - c.LastSYN)
		r.RTT, r.RTTAmbiguous = &rtt, r.SYNs > 1
		if c.Acked {
			r.SYNACKToACK = seconds(c.ACKAt - c.SYNACKAt)
		}
		r.Agreed, r.NotAnswered = agreed(&c.SYN, &c.SYNACK)
	}
	if c.Detail == nil {
		return
	}
	for _, at := range c.Detail.SYNTimes {
		r.SYNTimes = append(r.SYNTimes, Time(at-c.First))
	}
	for i := range c.Detail.RSTs {
		rst := &c.Detail.RSTs[i]
		if rst.By == tcpstate.Responder && r.SYNs > 0 && (!c.HasSYNACK || rst.Time < c.SYNACKAt) && r.Handshake != "syn-then-other" {
			r.FirstRST = &RSTToo{rst.Frame, Seconds(rst.Time - lastSYNBefore(c, rst.Time)), rst.Reason == tcpstate.RSTRefusal}
			break
		}
	}
}

// lastSYNBefore is when the SYN was sent that something answers.
func lastSYNBefore(c *tcpstate.Conn, at time.Duration) time.Duration {
	last := c.FirstSYN
	for _, syn := range c.Detail.SYNTimes {
		if syn <= at {
			last = syn
		}
	}
	return last
}

func optionsOf(o *tcpstate.SYNOptions) *Options {
	out := &Options{SACK: o.SACK, Timestamps: o.Timestamps, FastOpen: o.FastOpen, FastOpenX: o.FastOpenX, Multipath: o.Multipath, Window: o.Window, ECN: o.ECN, Data: o.Data}
	if o.HasMSS {
		out.MSS = &o.MSS
	}
	if o.HasScale {
		out.Scale = &o.Scale
	}
	return out.own()
}

// own makes the pointers the document's own: the record is used again.
func (o *Options) own() *Options {
	if o.MSS != nil {
		mss := *o.MSS
		o.MSS = &mss
	}
	if o.Scale != nil {
		scale := *o.Scale
		o.Scale = &scale
	}
	return o
}

// agreed tells the options that both proposed from those that only the SYN had.
func agreed(syn, synack *tcpstate.SYNOptions) (both, only []string) {
	for _, o := range []struct {
		name          string
		asked, agreed bool
	}{
		{"wscale", syn.HasScale, synack.HasScale}, {"sack", syn.SACK, synack.SACK},
		{"timestamps", syn.Timestamps, synack.Timestamps}, {"mptcp", syn.Multipath, synack.Multipath}, {"ecn", syn.ECN, synack.ECN},
	} {
		switch {
		case o.asked && o.agreed:
			both = append(both, o.name)
		case o.asked:
			only = append(only, o.name)
		}
	}
	return both, only
}

func (r *Report) ending(c *tcpstate.Conn) {
	e := &r.Ending
	e.FINBy, e.RSTBy, e.How = []string{}, []string{}, c.Ending().String()
	for _, by := range c.FINOrder {
		if by >= 0 {
			e.FINBy = append(e.FINBy, endNames[by])
		}
	}
	for i := range c.Ends {
		if n := c.Ends[i].FINs; n > 1 {
			e.FINResent += n - 1
		}
	}
	if c.FirstEnd.Seen {
		first := endNames[c.FirstEnd.By] + ":fin"
		if c.FirstEnd.RST {
			first = endNames[c.FirstEnd.By] + ":rst"
		}
		e.First = &first
	}
	d := c.Detail
	if d == nil || d.RSTCount == 0 {
		return
	}
	e.RSTs = d.RSTCount
	at := Seconds(d.FirstRST - c.First)
	e.FirstRST = &at
	for i := range d.RSTs {
		s := &d.RSTs[i]
		e.RSTBy = append(e.RSTBy, endNames[s.By])
		rst := RST{Frame: s.Frame, By: endNames[s.By], WithACK: s.WithACK, Data: s.Data, TTL: s.TTL,
			Reason: s.Reason.String(), Effective: s.Effective,
			Strange: c.Ends[s.By].OtherDistance(s.TTL), Contradicted: s.Contradicted}
		origin, signs := c.Origin(s)
		rst.Origin, rst.Signs = origin.String(), signs
		if s.HasDist {
			distance := s.Distance
			rst.Distance = &distance
		}
		e.Each = append(e.Each, rst)
	}
}

func (r *Report) icmp(c *tcpstate.Conn) {
	if c.Detail == nil {
		return
	}
	for i := range c.Detail.ICMP {
		e := &c.Detail.ICMP[i]
		too := ICMPToo{e.Family, e.Type, e.Code, e.Sender.Netip(), Time(e.Time - c.First)}
		r.ICMPToo = append(r.ICMPToo, too)
		errno, _ := cause.ICMPErrno(e.Family, e.Type, e.Code)
		r.ICMP = append(r.ICMP, ICMP{too, e.Frame, cause.ICMPText(e.Family, e.Type, e.Code), string(errno), e.MTU})
	}
}
