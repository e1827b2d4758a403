package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
)

func sampleResults(took time.Duration) []*Result {
	closed := cause.Finding{Cause: cause.PortClosed, Culprit: cause.Culprit{Kind: cause.Destination, Address: netip.MustParseAddr("192.0.2.1")}, Confidence: cause.Likely}
	drop := cause.Finding{Cause: cause.HostSilent, Culprit: cause.Culprit{Kind: cause.Destination}, Confidence: cause.Possible}
	result := func(name string, l Level, t Truth, f cause.Finding, j Judgement) *Result {
		return &Result{Scenario: name, Level: l, Truth: t, Verdict: cause.Verdict{Finding: f, Outcome: t.Outcome}, Judgement: j, Took: took, Handshake: true}
	}
	t := Truth{Cause: cause.PortClosed, Culprit: "destination 192.0.2.1", Outcome: cause.Refused, Errno: "ECONNREFUSED"}
	silent := Truth{Cause: cause.PathFirewallDrop, Culprit: "path", Outcome: cause.Timeout}
	return []*Result{
		result("closed", Privileged, t, closed, Judgement{Exact: true}),
		result("closed", Unprivileged, t, closed, Judgement{Exact: true}),
		result("silent", Privileged, silent, drop, Judgement{}),
		result("silent", Unprivileged, silent, closed, Judgement{WrongCertain: true, Defects: []string{"it is wrong"}}),
		{Scenario: "full", Level: Privileged, NotPossible: "no such feature", Truth: t},
		{Scenario: "full", Level: Unprivileged, NotPossible: "no such feature", Truth: t},
		{Scenario: "broken", Level: Unprivileged, Failed: "no\ndocument", Truth: t},
		{Scenario: "talked", Level: Privileged, Truth: t, Verdict: cause.Verdict{Finding: closed, Outcome: cause.Timeout}, Judgement: Judgement{Exact: true}, Took: time.Hour,
			Listener: &Heard{Truth: t, Verdict: cause.Verdict{Finding: drop}, Judgement: Judgement{Defects: []string{"no"}}}},
		{Scenario: "sent", Level: Unprivileged, Truth: t, Verdict: cause.Verdict{Finding: closed}, Judgement: Judgement{Exact: true},
			Listener: &Heard{Datagrams: DatagramsReceived, Want: DatagramsReceived, Judgement: Judgement{Exact: true}}},
		nil, // not run
	}
}

func TestMatrix(t *testing.T) {
	page := Matrix(sampleResults(1500 * time.Microsecond))
	for _, want := range []string{
		"6 scenarios, 9 dials: 4 right, 1 with the truth among the alternatives, 1 wrong (1 of them certain), 1 failed, 2 not possible here.",
		"Time to the verdict on a handshake: median 1.5 ms; of silence 1.5 ms. Over 1 s: 0 of 4; over 2 s: 0, the longest 1.5 ms (closed).",
		"| port-closed | port-closed |  | 4 |  |",
		"| path-firewall-drop | *host-silent* |  |  | 1 |",
		"| path-firewall-drop | *port-closed* |  | 1 |  |",
		"| closed | port-closed by destination 192.0.2.1 (refused, ECONNREFUSED) | port-closed by destination 192.0.2.1, likely |  | 1.5 ms |",
		"| silent | path-firewall-drop by path (timeout) | **wrong**: port-closed by destination 192.0.2.1, likely | host-silent by destination, possible (among) | 1.5 ms |",
		"| full | port-closed by destination 192.0.2.1 (refused, ECONNREFUSED) | not possible here: no such feature |  |  |",
		"| broken | port-closed by destination 192.0.2.1 (refused, ECONNREFUSED) | **failed**: no document |  |  |",
		"## Both ends",
		"| talked | port-closed by destination 192.0.2.1 (refused, ECONNREFUSED) | **wrong**: host-silent by destination, possible | port-closed by destination 192.0.2.1, likely |",
		"| sent | datagrams: received | datagrams: received, certain | port-closed by destination 192.0.2.1, likely |",
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("the page has no line\n%s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestSameMatrix(t *testing.T) {
	page := Matrix(sampleResults(time.Millisecond))
	if d := SameMatrix(page, Matrix(sampleResults(3*time.Second))); d != "" {
		t.Errorf("only times differ, and yet: %s", d)
	}
	if d := SameMatrix(page, strings.Replace(page, "| datagrams: received | datagrams: received", "| datagrams: none | datagrams: received", 1)); d == "" {
		t.Error("another truth of the listening end is a difference")
	}
	good := "port-closed by destination 192.0.2.1, likely |"
	if d := SameMatrix(page, strings.Replace(page, good, strings.Replace(good, "likely", "certain", 1), 1)); d != "" {
		t.Errorf("a good verdict is surer, and yet: %s", d)
	}
	for old, now := range map[string]string{good: "**wrong**: " + good, "port-closed by destination 192.0.2.1 (refused": "port-closed by path (refused", "| closed |": "| shut |", "| not possible here: no": "| not possible there: no"} {
		if changed := strings.Replace(page, old, now, 1); changed == page || SameMatrix(page, changed) == "" {
			t.Errorf("%q for %q is no difference", now, old)
		}
	}
	if d := SameMatrix(page, page+"one more\n"); d == "" {
		t.Error("a line more is a difference")
	}
}

func TestSum(t *testing.T) {
	sum := Sum(sampleResults(0))
	if sum.OK() || sum.WrongCertain != 1 || sum.Why["no such feature"][0] != "full" || len(sum.Why["no such feature"]) != 1 {
		t.Errorf("%+v", sum)
	}
	if good := Sum(sampleResults(0)[:3]); !good.OK() || !strings.Contains(good.String(), "none wrong") {
		t.Errorf("%+v", good)
	}
}

func TestStatus(t *testing.T) {
	var got []string
	for _, r := range sampleResults(0)[:7] {
		got = append(got, r.Status())
	}
	want := "right, right, open, wrong and certain, not possible, not possible, failed"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}
