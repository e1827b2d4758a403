package cause

import (
	"testing"

	"github.com/dialscope/dialscope/evidence"
)

// A routing rule that may have refused, and nobody can know, leaves nothing certain.
func TestUndecidedRoutingRule(t *testing.T) {
	with := func(r *evidence.Route, refuses evidence.Errno) *evidence.Route {
		r.Undecided = []evidence.RouteRule{{Priority: 100, By: "sport", Refuses: refuses}}
		return r
	}
	secure := &evidence.Security{}
	for name, tt := range map[string]struct {
		s     *story
		first ID
		best  Confidence
		also  ID
	}{
		"denied, with a route":       {to(there+":80").add(with(routed(), "EACCES"), secure).connecting("EACCES"), RouteRejected, Possible, PolicyDenied},
		"denied, another rule":       {to(there+":80").add(with(routed(), "ENETUNREACH"), secure).connecting("EACCES"), PolicyDenied, Likely, RouteRejected},
		"denied, by a table perhaps": {to(there+":80").add(with(routed(), ""), secure).connecting("EACCES"), PolicyDenied, Likely, RouteRejected},
		"denied by a policy":         {to(there+":80").add(routed(), secure).connecting("EACCES"), PolicyDenied, Certain, ""},
		"EPERM is no routing's":      {to(there+":80").add(with(routed(), "EACCES"), secure).connecting("EPERM"), PolicyDenied, Certain, ""},
		"no route":                   {to(there + ":80").add(rejected("ENETUNREACH", "")).connecting("ENETUNREACH"), NoRoute, Certain, ""},
		"no route, or the rule":      {to(there + ":80").add(with(rejected("ENETUNREACH", ""), "ENETUNREACH")).connecting("ENETUNREACH"), NoRoute, Possible, RouteRejected},
		"no route, another rule":     {to(there + ":80").add(with(rejected("ENETUNREACH", ""), "EACCES")).connecting("ENETUNREACH"), NoRoute, Likely, ""},
		"unreachable, with a route":  {to(there + ":80").add(with(routed(), "ENETUNREACH")).connecting("ENETUNREACH"), RouteRejected, Possible, NoRoute},
		"EINVAL, and a blackhole":    {to(there + ":80").add(with(routed(), "EINVAL")).connecting("EINVAL"), RouteRejected, Possible, BadAddress},
		"a reject route, and a rule": {to(there + ":80").add(with(rejected("EACCES", "prohibit"), "EINVAL")).connecting("EACCES"), RouteRejected, Certain, ""},
	} {
		v := Explain(tt.s.dial())
		if v.Cause != tt.first || v.Confidence != tt.best {
			t.Errorf("%s: %s, %s, want %s, %s", name, v.Cause, v.Confidence, tt.first, tt.best)
		}
		named := tt.also == ""
		for _, f := range v.Alternatives {
			named = named || f.Cause == tt.also
		}
		if !named {
			t.Errorf("%s: %s is not among %+v", name, tt.also, v.Alternatives)
		}
	}
}
