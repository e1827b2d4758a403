package cause

import (
	"strings"
	"testing"

	"github.com/dialscope/dialscope/evidence"
)

// The control group's programs are named where the errno is theirs, and only
// those that this connect(2) ran.
func TestConnectPrograms(t *testing.T) {
	both := []evidence.CgroupProgram{{ID: 7, Attach: "connect4", Cgroup: "/a.slice"}, {ID: 9, Attach: "connect4", Cgroup: "/a.slice"}, {ID: 8, Attach: "connect6", Cgroup: "/a.slice"}}
	for _, tt := range []struct {
		name     string
		errno    evidence.Errno
		security *evidence.Security
		says     string
	}{
		{"two programs", "EPERM", &evidence.Security{Programs: both}, "BPF program 7, 9 at connect4 of control group /a.slice, and no seccomp filter"},
		{"and a filter", "EPERM", &evidence.Security{Seccomp: 2, Programs: both}, "BPF program 7, 9 at connect4 of control group /a.slice, and under a seccomp filter"},
		{"of the other family", "EPERM", &evidence.Security{Programs: both[2:]}, "seccomp is ruled out"},
		{"an errno that they do not give", "EACCES", &evidence.Security{Programs: both}, "seccomp is ruled out"},
		{"none seen", "EPERM", &evidence.Security{Seccomp: 2}, "under a seccomp filter"},
	} {
		v := Explain(to(there + ":443").add(routed()).connecting(tt.errno).add(tt.security).dial())
		if v.Cause != PolicyDenied || v.Confidence != Certain || !strings.Contains(v.Explanation, tt.says) {
			t.Errorf("%s: %s %s: %s", tt.name, v.Cause, v.Confidence, v.Explanation)
		}
	}
}
