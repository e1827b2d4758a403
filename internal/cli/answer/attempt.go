package answer

import (
	"fmt"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
)

// attemptEvents tells one socket's life.
func attemptEvents(d *evidence.Dial, i int) []event {
	a := &d.Attempts[i]
	udp := strings.HasPrefix(d.Network, "udp")
	var events []event
	add := func(at time.Duration, format string, args ...any) {
		events = append(events, event{at: a.Began + at, attempt: i, text: fmt.Sprintf(format, args...)})
	}
	if at, text := probeWords(a.Log); text != "" {
		add(at, "%s", text)
	}
	for _, d := range dropWords(a.Log) {
		add(d.at, "%s", d.text)
	}
	for _, e := range a.Log {
		switch f := e.Fact.(type) {
		case *evidence.Call:
			if f.Errno != "" {
				add(e.At, "%s: %s", strings.TrimSpace(f.Call+"(2) "+f.Arg), f.Errno)
			}
		case *evidence.Connect:
			add(e.At, "%s", connectWords(a, f, udp))
			if f.Errno == "EINPROGRESS" && !udp {
				events = append(events, resends(a, i, e.At)...)
			}
		case *evidence.ICMP:
			add(e.At, "%s", icmpWords(f))
		case *evidence.SOError:
			if f.Errno == "" {
				add(e.At, "connected%s", roundTrip(a.Log))
			} else {
				add(e.At, "the kernel ends the attempt: %s", f.Errno)
			}
		case *evidence.FirstMoments:
			add(e.At, "%s", momentWords(f))
		case *evidence.Datagram:
			add(e.At, "%s", datagramWords(f))
		case *evidence.Filter:
			if r := f.Stops(); r != nil {
				add(e.At, "%s", ruleWords(f, r))
			}
		case *evidence.Expired:
			add(e.At, "%s%s", expiredWords(f), furtherWords(a, e.At))
		case *evidence.Cancelled:
			add(e.At, "%s", cancelWords(f))
		case *evidence.End:
			add(e.At, "%s", endWords(f))
		case *evidence.Flow:
			add(e.At, "%s", flowWords(f))
		}
	}
	return events
}

func expiredWords(f *evidence.Expired) string {
	if f.Scope == "explained" {
		return "waited no longer: the probes have explained the silence"
	}
	return fmt.Sprintf("given up: the limit of %s for the %s", limit(f.Limit), f.Scope)
}

// probeWords sums up the experiments.
func probeWords(log evidence.Log) (at time.Duration, text string) {
	sent, answered := 0, 0
	for _, e := range log {
		p, is := e.Fact.(*evidence.Probe)
		if !is {
			continue
		}
		if sent == 0 {
			at = e.At
		}
		sent += p.Sent
		if p.Answer != "" {
			answered++
		}
	}
	if sent == 0 {
		return 0, ""
	}
	return at, fmt.Sprintf("looked into by probes: %d packets, %d answered", sent, answered)
}

func connectWords(a *evidence.Attempt, f *evidence.Connect, udp bool) string {
	from := ""
	if local, _, ok := evidence.Last[*evidence.LocalAddr](a.Log); ok && local.Addr.IsValid() {
		from = " from " + local.Addr.String()
	}
	switch {
	case udp && f.Errno == "":
		return "datagram socket for " + f.Remote.String() + from
	case f.Errno == "EINPROGRESS":
		return "SYN to " + f.Remote.String() + from
	case f.Errno == "" && f.FastOpen:
		return "TCP Fast Open: no packet leaves before the first write to " + f.Remote.String()
	case f.Errno == "":
		return "connected to " + f.Remote.String() + from + " at once" + roundTrip(a.Log)
	}
	return "connect to " + f.Remote.String() + " fails at once: " + string(f.Errno)
}

func roundTrip(log evidence.Log) string {
	for _, info := range evidence.All[*evidence.TCPInfo](log) {
		if info.State == "ESTABLISHED" && info.RTT > 0 {
			return ", round trip " + Duration(info.RTT)
		}
	}
	return ""
}

// resends places the SYNs that were sent again: the kernel counts them, its
// schedule says when. Without a count they are only predicted.
func resends(a *evidence.Attempt, attempt int, sent time.Duration) []event {
	schedule, _, planned := evidence.First[*evidence.Schedule](a.Log)
	count, counted := resent(a.Log)
	var events []event
	add := func(at time.Duration, about bool, text string) {
		events = append(events, event{at: a.Began + at, about: about, attempt: attempt, text: text})
	}
	if planned {
		for n, after := range schedule.Resend {
			if sent+after > a.Took || counted && n >= count {
				break
			}
			if counted {
				add(sent+after, true, fmt.Sprintf("SYN again, %d of %d that the kernel counts", n+1, count))
			} else {
				add(sent+after, true, "SYN again, as predicted (no count to be had)")
			}
		}
	}
	if extra := count - len(events); counted && extra > 0 {
		add(a.Took, false, fmt.Sprintf("the kernel counts %d more SYNs sent again than its timer explains", extra))
	}
	return events
}

// resent is the kernel's count of SYNs sent again.
func resent(log evidence.Log) (count int, counted bool) {
	for _, info := range evidence.All[*evidence.TCPInfo](log) {
		count, counted = max(count, int(info.TotalRetrans)), true
	}
	return count, counted
}

// furtherWords says what the kernel would have done after our limit.
func furtherWords(a *evidence.Attempt, ended time.Duration) string {
	schedule, _, planned := evidence.First[*evidence.Schedule](a.Log)
	if !planned || schedule.End <= ended {
		return ""
	}
	for _, after := range schedule.Resend {
		if after > ended {
			return fmt.Sprintf("; left alone, the kernel sends the next SYN at %s and gives up at %s", Duration(after), Duration(schedule.End))
		}
	}
	return "; left alone, the kernel gives up at " + Duration(schedule.End)
}

func icmpWords(f *evidence.ICMP) string {
	if f.Local {
		text := "this host's own stack: " + string(f.Errno)
		if f.MTU > 0 {
			text += fmt.Sprintf(", MTU %d bytes", f.MTU)
		}
		return text
	}
	text := f.Text
	if text == "" {
		text = fmt.Sprintf("type %d code %d", f.Type, f.Code)
	} else {
		text += fmt.Sprintf(" (type %d code %d)", f.Type, f.Code)
	}
	if f.MTU > 0 {
		text += fmt.Sprintf(", MTU %d bytes", f.MTU)
	}
	from := ""
	if f.Offender.IsValid() {
		from = " from " + f.Offender.String()
	}
	return "ICMP" + from + ": " + text
}

func momentWords(f *evidence.FirstMoments) string {
	said := ""
	if f.Bytes > 0 {
		said = fmt.Sprintf(" after it sent %d bytes", f.Bytes)
	}
	switch {
	case f.Reset:
		return "the peer resets the connection" + said
	case f.FIN:
		return "the peer closes its side (FIN)" + said
	case f.Bytes > 0:
		return fmt.Sprintf("the peer speaks first: %d bytes wait to be read", f.Bytes)
	case f.Watched > 0:
		return "watched for " + Duration(f.Watched) + ": the peer stays silent and the connection open"
	}
	return "the connection is open, the peer silent"
}

func datagramWords(f *evidence.Datagram) string {
	sent := fmt.Sprintf("datagram of %d bytes sent", f.Sent)
	if f.Payload != "" && f.Payload != "empty" {
		sent += " (" + f.Payload + ")"
	}
	switch {
	case f.SendErrno != "":
		if f.Limit > 0 {
			return fmt.Sprintf("a datagram of %d bytes does not leave: %s, at most %d go", f.Size, f.SendErrno, f.Limit)
		}
		return "sending a datagram fails: " + string(f.SendErrno)
	case f.RecvErrno != "":
		return sent + ": " + string(f.RecvErrno) + " after " + Duration(f.Waited)
	case f.Answered:
		return fmt.Sprintf("%s: %d bytes came back after %s", sent, f.Received, Duration(f.Waited))
	}
	return sent + ": nothing came back in " + Duration(f.Waited)
}

// ruleWords says what a rule of this host's own filter does.
func ruleWords(f *evidence.Filter, r *evidence.FilterRule) string {
	what := "the packet"
	if f.Packet == evidence.FilterIn {
		what = "the answer"
	}
	does := map[string]string{"drop": "drops", "reject": "rejects", "queue": "hands to a program"}[r.Verdict]
	if r.Handle == 0 {
		return fmt.Sprintf("by its rules this host %s %s: policy of %s %s %s", does, what, r.Family, r.Table, r.Chain)
	}
	return fmt.Sprintf("by its rules this host %s %s: %s %s %s handle %d: %s", does, what, r.Family, r.Table, r.Chain, r.Handle, r.Text)
}
