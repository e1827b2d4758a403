package sockets

import (
	"cmp"
	"slices"

	"github.com/dialscope/dialscope/cause"
)

// Finding is something that is wrong with one or more sockets of a table.
type Finding struct {
	Kind       string           `json:"kind"`                 // the rule's name
	Grade      Grade            `json:"grade"`                // wrong, notice
	Cause      cause.ID         `json:"cause,omitempty"`      // where the catalogue has one for it
	Confidence cause.Confidence `json:"confidence,omitempty"` // of the cause
	Text       string           `json:"text"`                 // what is seen, for a person
	Remedy     string           `json:"remedy"`               // what to do next
	Count      int              `json:"count"`                // of the sockets concerned
	Rows       []int32          `json:"-"`                    // indexes into Table.Sockets, in their order
}

// Grade says how bad a finding is.
type Grade string

// The grades. Wrong hurts now; a notice has hurt before, or will if it goes on.
const (
	Wrong  Grade = "wrong"
	Notice Grade = "notice"
)

// Rule recognises one thing that can be wrong. It looks only at what is in the
// table, and says nothing where the table does not tell.
type Rule struct {
	Kind  string
	Title string // one line, lower case
	Why   string // what the rule rests on: man page, kernel function
	find  func(*view) []Finding
}

// Rules returns the rules in the order in which their findings are listed.
func Rules() []Rule { return slices.Clone(rules[:]) }

var rules = [...]Rule{
	{"accept-queue-full", "a listener's accept queue is full", "listen(2); sk_acceptq_is_full, tcp_conn_request, tcp_v4_syn_recv_sock", (*view).acceptQueues},
	{"accept-queue-overflowed", "a listener has thrown connections away", "tcp_listendrop; TcpExt.ListenOverflows", (*view).pastOverflows},
	{"not-accepted", "the client was gone before it was accepted", "inet_csk_accept; a socket in the accept queue has no inode", (*view).notAccepted},
	{"syn-unanswered", "a SYN was sent again and again", "tcp_retransmit_timer; tcp(7), tcp_syn_retries", (*view).synUnanswered},
	{"synack-unanswered", "a SYN,ACK was sent again and again", "inet_csk_reqsk_queue_hash_add, reqsk_timer_handler", (*view).synACKUnanswered},
	{"ports-nearly-gone", "few ephemeral ports are left toward one destination", "ip(7), ip_local_port_range; __inet_hash_connect", (*view).portsNearlyGone},
	{"not-closed", "a process does not close what its peers have closed", "RFC 9293 §3.3.2, CLOSE-WAIT; tcpi_last_ack_recv", (*view).notClosed},
	{"peer-window-shut", "the peer's window is shut", "RFC 9293 §3.8.6.1; tcp_probe_timer; tcpi_snd_wnd", (*view).peerWindowShut},
	{"not-read", "a process does not read, and has shut its own window", "RFC 9293 §3.8.6.2.2; tcpi_rcv_wnd", (*view).notRead},
	{"not-acknowledged", "what was sent is not acknowledged", "RFC 9293 §3.8.3; tcp_retransmit_timer", (*view).notAcknowledged},
	{"keepalive-unanswered", "keepalive probes are not answered", "tcp(7), tcp_keepalive_probes; tcp_keepalive_timer", (*view).keepaliveUnanswered},
	{"orphans", "closed by their processes, and not acknowledged", "tcp(7), tcp_orphan_retries, tcp_max_orphans; tcp_out_of_resources", (*view).orphans},
	{"self-connect", "a socket is connected to itself", "RFC 9293 §3.5, simultaneous open", (*view).selfConnected},
	{"time-wait-bucket-full", "the host's room for TIME_WAIT is nearly full", "tcp(7), tcp_max_tw_buckets; inet_twsk_alloc", (*view).timeWaitFull},
	{"datagrams-dropped", "a UDP socket threw datagrams away", "udp(7); __udp_enqueue_schedule_skb, sk_drops", (*view).datagramsDropped},
}

// Diagnose says what is wrong in a table: what hurts now first.
func Diagnose(t *Table) []Finding {
	v := newView(t)
	var found []Finding
	for i := range rules {
		of := rules[i].find(v)
		slices.SortStableFunc(of, func(a, b Finding) int { return cmp.Compare(len(b.Rows), len(a.Rows)) })
		for _, f := range of {
			f.Kind, f.Count = rules[i].Kind, len(f.Rows)
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Compare(b.Grade, a.Grade) }) // "wrong" sorts after "notice"
	return found
}
