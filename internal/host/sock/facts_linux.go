package sock

import (
	"fmt"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
	"github.com/dialscope/dialscope/internal/wire"
)

// States of linux/tcp_states.h, spelled as ss(8) does.
var states = [...]string{
	1: "ESTABLISHED", 2: "SYN_SENT", 3: "SYN_RECV", 4: "FIN_WAIT1", 5: "FIN_WAIT2", 6: "TIME_WAIT",
	7: "CLOSE", 8: "CLOSE_WAIT", 9: "LAST_ACK", 10: "LISTEN", 11: "CLOSING", 12: "NEW_SYN_RECV", 13: "BOUND_INACTIVE",
}

func stateName(s uint8) string {
	if int(s) < len(states) && states[s] != "" {
		return states[s]
	}
	return "UNKNOWN"
}

// tcpi_options, linux/tcp.h.
var optionBits = [...]struct {
	bit  uint8
	name string
}{{1, "timestamps"}, {2, "sack"}, {4, "wscale"}, {8, "ecn"}, {16, "ecn_seen"}, {32, "syn_data"}, {64, "usec_ts"}}

// optionNames lists the names of every combination that was met, so that the
// usual ones (a handful) are made once.
func optionNames(bits uint8) []string {
	if bits == 0 {
		return nil
	}
	if bits == usualOptions {
		return usualNames
	}
	return namesOf(bits)
}

const usualOptions = 1 | 2 | 4

var usualNames = namesOf(usualOptions)

func namesOf(bits uint8) []string {
	var names []string
	for _, o := range optionBits {
		if bits&o.bit != 0 {
			names = append(names, o.name)
		}
	}
	return names
}

func fill(f *evidence.TCPInfo, i *sys.TCPInfo) {
	us := func(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
	f.State = stateName(i.State)
	f.Retransmits, f.TotalRetrans, f.Backoff = i.Retransmits, i.Total_retrans, i.Backoff
	f.RTO, f.RTT, f.RTTVar = us(i.Rto), us(i.Rtt), us(i.Rttvar)
	f.SndMSS, f.RcvMSS, f.PMTU = i.Snd_mss, i.Rcv_mss, i.Pmtu
	f.SndWScale, f.RcvWScale = sys.WindowScales(i)
	f.Options = optionNames(i.Options)
	f.SegsOut, f.SegsIn, f.Unacked = i.Segs_out, i.Segs_in, i.Unacked
	f.FastOpenFail = sys.FastOpenClientFail(i)
	f.Received = i.Bytes_received
	if f.State == "SYN_SENT" {
		f.RTT, f.RTTVar = 0, 0 // nothing has been measured yet
	} else if i.Segs_in > 0 {
		f.SinceACK = time.Duration(i.Last_ack_recv) * time.Millisecond
	}
}

// ICMPFact is an entry of a socket's error queue as evidence; tcp says that the
// quoted packet is a TCP segment.
func ICMPFact(q *sys.QueuedError, tcp bool) *evidence.ICMP {
	f := &evidence.ICMP{Version: 4, Type: q.Type, Code: q.Code, Errno: name(q.Errno), Offender: q.Offender, To: q.To.Addr()}
	switch q.Origin {
	case sys.OriginICMP6:
		f.Version = 6
	case sys.OriginLocal:
		f.Local = true
		if f.To.Is6() {
			f.Version = 6
		}
	}
	if text := cause.ICMPText(f.Version, f.Type, f.Code); !f.Local && text != fmt.Sprintf("type %d code %d", f.Type, f.Code) {
		f.Text = text
	}
	switch {
	case f.Errno == "EMSGSIZE":
		f.MTU = q.Info
	case f.Errno == "EPROTO":
		f.Pointer = q.Info
	}
	if tcp {
		if h, ok := wire.ParseQuotedTCP(q.Payload); ok {
			f.Quoted = &evidence.QuotedTCP{SrcPort: h.SrcPort, DstPort: h.DstPort, Seq: h.Seq}
		}
	}
	return f
}
