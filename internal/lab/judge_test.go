package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dialscope/dialscope/cause"
)

func verdictOf(id cause.ID, kind cause.Kind, addr string, c cause.Confidence, alternatives ...cause.ID) cause.Verdict {
	v := cause.Verdict{Outcome: cause.Timeout, Finding: cause.Finding{Cause: id, Culprit: cause.Culprit{Kind: kind}, Confidence: c}}
	if addr != "" {
		v.Culprit.Address = netip.MustParseAddr(addr)
	}
	for _, a := range alternatives {
		v.Alternatives = append(v.Alternatives, cause.Finding{Cause: a, Confidence: cause.Possible})
	}
	return v
}

func TestJudge(t *testing.T) {
	const here = "192.0.2.1"
	s := &Scenario{Truth: Truth{Cause: cause.PathFirewallDrop, Culprit: "path " + here, Outcome: cause.Timeout}}
	among := Expect{Among: true, Culprit: "path"}
	for _, test := range []struct {
		name    string
		expect  Expect
		v       cause.Verdict
		certain bool // it is the worst defect
		exact   bool
		want    string // part of the defects; empty: none
	}{
		{"the truth", Expect{}, verdictOf(cause.PathFirewallDrop, cause.Path, here, cause.Likely), false, true, ""},
		{"the truth, certain", Expect{}, verdictOf(cause.PathFirewallDrop, cause.Path, here, cause.Certain), false, true, ""},
		{"nobody named", Expect{}, verdictOf(cause.PathFirewallDrop, cause.Path, "", cause.Likely), false, false, "the culprit is path 192.0.2.1, not path"},
		{"nobody named, certain", among, verdictOf(cause.PathFirewallDrop, cause.Path, "", cause.Certain), false, false, ""},
		{"nobody named, as expected", among, verdictOf(cause.PathFirewallDrop, cause.Path, "", cause.Possible), false, false, ""},
		{"another named, certain", among, verdictOf(cause.PathFirewallDrop, cause.Path, "192.0.2.9", cause.Certain), true, false, "certain, and wrong"},
		{"another kind, certain", among, verdictOf(cause.PathFirewallDrop, cause.Router, here, cause.Certain), true, false, "certain, and wrong"},
		{"among", among, verdictOf(cause.HostSilent, cause.Destination, "", cause.Possible, cause.PathFirewallDrop), false, false, ""},
		{"among, not expected", Expect{}, verdictOf(cause.HostSilent, cause.Destination, "", cause.Possible, cause.PathFirewallDrop), false, false, "the cause is path-firewall-drop, not host-silent (possible)"},
		{"not among", among, verdictOf(cause.HostSilent, cause.Destination, "", cause.Possible), false, false, "neither the verdict host-silent nor its alternatives"},
		{"wrong and certain", among, verdictOf(cause.HostSilent, cause.Destination, "", cause.Certain, cause.PathFirewallDrop), true, false, "certain, and wrong"},
		{"too sure", Expect{Among: true, Culprit: "path", AtMost: cause.Possible}, verdictOf(cause.PathFirewallDrop, cause.Path, "", cause.Likely), false, false, "worth no more than possible, not likely"},
		{"not sure enough", Expect{AtLeast: cause.Likely}, verdictOf(cause.PathFirewallDrop, cause.Path, here, cause.Possible), false, true, "worth likely, not only possible"},
		{"late", Expect{Within: time.Second}, verdictOf(cause.PathFirewallDrop, cause.Path, here, cause.Likely), false, true, "the answer took 2s, more than 1s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Expect = test.expect
			j := s.Judge(Privileged, test.v, 2*time.Second)
			got := strings.Join(j.Defects, "; ")
			if j.WrongCertain != test.certain || j.Exact != test.exact || (test.want == "") != j.Good() || !strings.Contains(got, test.want) {
				t.Errorf("wrong and certain %t, exact %t, %q; want %t, %t, %q", j.WrongCertain, j.Exact, got, test.certain, test.exact, test.want)
			}
		})
	}
}

func TestJudgeOutcome(t *testing.T) {
	s := &Scenario{Truth: Truth{Cause: cause.PortClosed, Culprit: "local", Outcome: cause.Refused, Errno: "ECONNREFUSED"}}
	j := s.Judge(Privileged, verdictOf(cause.PortClosed, cause.Local, "", cause.Likely), 0)
	if got := strings.Join(j.Defects, "; "); got != "the outcome is refused, not timeout; the errno is ECONNREFUSED, not none" {
		t.Error(got)
	}
}

// What is true beside the truth is as good.
func TestJudgeAlso(t *testing.T) {
	s := &Scenario{Truth: Truth{Cause: cause.SYNProxy, Culprit: "path 192.0.2.1", Outcome: cause.Timeout, Also: []cause.ID{cause.IsOpen}}}
	if j := s.Judge(Privileged, verdictOf(cause.IsOpen, cause.Nobody, "", cause.Certain), 0); !j.Good() || !j.Exact || j.WrongCertain {
		t.Errorf("%+v", j)
	}
}

// A scenario may be another one without privileges.
func TestJudgeLevels(t *testing.T) {
	s := &Scenario{
		Truth:  Truth{Cause: cause.IsOpen, Culprit: "none", Outcome: cause.Open, Unprivileged: &Truth{Cause: cause.PolicyDenied, Culprit: "local", Outcome: cause.Denied, Errno: "EPERM"}},
		Expect: Expect{Unprivileged: &Expect{AtMost: cause.Likely}},
	}
	v := verdictOf(cause.PolicyDenied, cause.Local, "", cause.Certain)
	v.Outcome, v.Errno = cause.Denied, "EPERM"
	if j := s.Judge(Unprivileged, v, 0); len(j.Defects) != 1 || !strings.Contains(j.Defects[0], "no more than likely") {
		t.Errorf("unprivileged: %+v", j)
	}
	if j := s.Judge(Privileged, v, 0); !j.WrongCertain {
		t.Errorf("privileged: %+v", j)
	}
}
