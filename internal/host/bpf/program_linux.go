//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// program is one C function of events.c, and where it is attached.
type program struct {
	name       string // of the function
	tracepoint string // group:event, as tracefs has it
	kinds      []Kind
	arguments  int    // that it cannot do without
	since      string // the kernel that has them
}

var programs = []program{
	{"set_state", "sock:inet_sock_set_state", []Kind{StateChange}, 3, "4.16"},
	{"drop", "skb:kfree_skb", []Kind{Drop}, 3, "5.17"},
	{"retransmit", "tcp:tcp_retransmit_skb", []Kind{Retransmit}, 1, "4.16"},
	{"send_reset", "tcp:tcp_send_reset", []Kind{ResetSent}, 2, "4.16"},
	{"receive_reset", "tcp:tcp_receive_reset", []Kind{ResetReceived}, 1, "4.16"},
	{"error_report", "sock:inet_sk_error_report", []Kind{ErrorReport}, 1, "5.14"},
	{"call_exit", "raw_syscalls:sys_exit", []Kind{ConnectFailed, SocketFailed}, 2, "4.17"},
	{"task_fork", "sched:sched_process_fork", []Kind{Forked}, 2, "4.17"},
	{"task_exec", "sched:sched_process_exec", []Kind{Executed}, 1, "4.17"},
	{"task_exit", "sched:sched_process_exit", []Kind{Exited}, 1, "4.17"},
}

var defaultKinds = []Kind{StateChange, Drop, Retransmit, ResetSent, ResetReceived, ErrorReport}

// chosen are the programs that give these kinds of event.
func chosen(kinds []Kind) []program {
	var all []program
	for _, p := range programs {
		if slices.ContainsFunc(p.kinds, func(k Kind) bool { return slices.Contains(kinds, k) }) {
			all = append(all, p)
		}
	}
	return all
}

// arguments counts what a tracepoint hands its programs: the parameters of
// typedef btf_trace_NAME, of which the first is not theirs (__DECLARE_TRACE).
func arguments(types *btf.Spec, event string) (int, error) {
	var t *btf.Typedef
	if err := types.TypeByName("btf_trace_"+event, &t); err != nil {
		if errors.Is(err, btf.ErrNotFound) {
			return 0, errors.New("this kernel does not have the tracepoint")
		}
		return 0, err
	}
	if p, ok := t.Type.(*btf.Pointer); ok {
		if f, ok := p.Target.(*btf.FuncProto); ok {
			return len(f.Params) - 1, nil
		}
	}
	return 0, fmt.Errorf("this kernel describes the tracepoint as %v", t.Type)
}

// helper is 1 where the kernel has a helper function of this name (enum
// bpf_func_id, linux/bpf.h), else 0.
func helper(types *btf.Spec, name string) uint32 {
	var ids *btf.Enum
	if types.TypeByName("bpf_func_id", &ids) == nil {
		for _, v := range ids.Values {
			if v.Name == name {
				return 1
			}
		}
	}
	return 0
}
