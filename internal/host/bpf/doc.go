// Package bpf listens to what the kernel does with connections: state changes,
// packets that it throws away and why, retransmissions, resets, errors, and
// connect(2) calls that end before a packet exists.
//
// A [Session] attaches small programs to the kernel's tracepoints, no kprobes.
// They filter inside the kernel, so that a dial hears of its own packets alone,
// and write into one ring that [Session.Read] empties. They only read: no
// packet is changed or delayed. The programs are written in C (events.c),
// compiled once for every kernel (CO-RE, go generate) and embedded; a kernel
// that lacks a tracepoint loses that one source, and [Session.Sources] says so.
//
// It needs CAP_BPF and CAP_PERFMON (capabilities(7)) in the first user
// namespace, a kernel with BTF, and Linux 5.17 for the reasons of drops. All
// network namespaces of the machine share the tracepoints: an event names its
// namespace, and [Options.Network] keeps to one.
//
// Where it cannot work, [Open] returns an error that says why.
package bpf

//go:generate ./generate
