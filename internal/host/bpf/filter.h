// Which events are wanted, whose they are, and the maps that know it.
#pragma once
#include "record.h"

// What is wanted: set before loading, so that the verifier removes the rest.
const volatile u32 own_only;   // only what goes to or comes from a place in targets
const volatile u32 want_netns; // 0: any
const volatile u64 want_cgroup;
const volatile u32 want_tasks; // only the processes in tasks
const volatile u32 want_port;
const volatile u32 has_want_addr;
const volatile u64 want_addr[2];
const volatile u32 make_cookie;    // give each socket its cookie: not in a raw tracepoint
const volatile u32 drop_has_socket;  // kfree_skb's fourth argument, since Linux 6.11
const volatile u32 has_print;        // bpf_snprintf, since Linux 5.13
const volatile u32 reset_has_reason; // tcp_send_reset's third argument, since Linux 6.10
const volatile u32 brief;            // nothing that is told twice, no state of a listener
const volatile u64 quiet[4];         // the reasons of drops that are not wanted, a bit each
const volatile u64 patience;         // ns for which a reader may be left asleep; 0: it is woken for each
const volatile u64 much;             // bytes in the ring for which it is woken all the same

u64 woken; // when the reader was last woken; a race costs one more or one less

struct {
	MAP_UINT(type, MAP_RINGBUF);
	MAP_UINT(max_entries, 1 << 18);
} ring SEC(".maps");

struct {
	MAP_UINT(type, MAP_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u64);
} lost SEC(".maps");

// targets are the remote places whose packets are wanted without a socket.
struct target {
	u32 netns;
	u16 port, pad;
	u8 addr[16];
};
struct {
	MAP_UINT(type, MAP_LRU_HASH);
	MAP_UINT(max_entries, 4096);
	MAP_TYPE(key, struct target);
	MAP_TYPE(value, u32);
} targets SEC(".maps");

// tasks are the processes that are followed, by thread group.
struct {
	MAP_UINT(type, MAP_HASH);
	MAP_UINT(max_entries, 16384);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u32);
} tasks SEC(".maps");

// owners are who connected or listened, by cookie: most later events of a
// socket happen while some other task runs.
struct owner {
	u32 pid, uid;
	u32 followed; // also after the process has ended: its sockets close then
	u8 comm[16];
};
struct {
	MAP_UINT(type, MAP_LRU_HASH);
	MAP_UINT(max_entries, 65536);
	MAP_TYPE(key, u64);
	MAP_TYPE(value, struct owner);
} owners SEC(".maps");

// listeners own the connections that they accept, by network and local port.
struct listener {
	u32 netns;
	u32 port;
};
struct {
	MAP_UINT(type, MAP_LRU_HASH);
	MAP_UINT(max_entries, 1024);
	MAP_TYPE(key, struct listener);
	MAP_TYPE(value, struct owner);
} listeners SEC(".maps");

// reported is the socket whose error has just been told with its last change of
// state, or that has just sent a RST of its own accord: inet_sk_error_report comes
// in the same breath (tcp_done_with_error, tcp_disconnect) and says nothing more.
// What comes between on the same processor makes it come twice, which harms nobody.
struct {
	MAP_UINT(type, MAP_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, u64);
} reported SEC(".maps");

// twins is whether set_state is under way, and how often its twin stood in.
struct twins {
	u64 busy, caught;
};
struct {
	MAP_UINT(type, MAP_PERCPU_ARRAY);
	MAP_UINT(max_entries, 1);
	MAP_TYPE(key, u32);
	MAP_TYPE(value, struct twins);
} twins SEC(".maps");

INLINE int same(const u8 *a)
{
	const u64 *w = (const u64 *)a;
	return w[0] == want_addr[0] && w[1] == want_addr[1];
}

SHARED int is_target(u32 netns, const u8 *addr, u16 port)
{
	struct target t = {.netns = netns, .port = port};
	__builtin_memcpy(t.addr, addr, 16);
	return map_lookup(&targets, &t) != 0;
}

INLINE void from_owner(struct event *e, struct owner *o)
{
	e->pid = o->pid;
	e->uid = o->uid;
	if (o->followed)
		e->flags |= FOLLOWED;
	__builtin_memcpy(e->comm, o->comm, 16);
}

INLINE void from_current(struct event *e)
{
	e->pid = current_pid_tgid() >> 32;
	e->uid = current_uid_gid();
	current_comm(e->comm, 16);
}

SHARED int find_owner(struct event *e)
{
	if (own_only)
		return 0;
	struct owner *o = e->cookie ? map_lookup(&owners, &e->cookie) : 0;
	if (!o && (e->flags & HAS_SOCKET)) {
		struct listener l = {.netns = e->netns, .port = e->lport};
		o = map_lookup(&listeners, &l);
	}
	if (o)
		from_owner(e, o);
	return 0;
}

// wanted says whether an event passes the filters.
SHARED int wanted(struct event *e)
{
	if (want_netns && e->netns != want_netns)
		return 0;
	int known = 0; // one of its ends is a target
	if (own_only || want_tasks || want_cgroup) {
		if ((e->flags & HAS_SOCKET) && is_target(e->netns, e->raddr, e->rport))
			known = 1;
		else if (e->flags & HAS_PACKET)
			known = is_target(e->netns, e->saddr, e->sport) || is_target(e->netns, e->daddr, e->dport);
	}
	if (own_only)
		return known;
	if (want_port && e->lport != want_port && e->rport != want_port && e->sport != want_port && e->dport != want_port)
		return 0;
	if (has_want_addr && !same(e->laddr) && !same(e->raddr) && !same(e->saddr) && !same(e->daddr))
		return 0;
	// A packet that met no socket cannot say whose it is: its far end must be
	// one that somebody wanted has connected to.
	int anonymous = !(e->flags & HAS_SOCKET);
	if (want_cgroup && e->cgroup != want_cgroup && !(anonymous && known))
		return 0;
	if (want_tasks && !(e->flags & FOLLOWED) && !(e->pid && map_lookup(&tasks, &e->pid)) && !(anonymous && known))
		return 0;
	return 1;
}

// wake says how a record is handed over. To wake the reader costs the task that
// runs here more than the rest: a patient one is left asleep until there is much.
INLINE u64 wake(u64 now)
{
	if (!patience)
		return 0;
	if (now - woken < patience && ring_query(&ring, RING_AVAILABLE) < much)
		return RING_NO_WAKEUP;
	woken = now;
	return RING_FORCE_WAKEUP;
}

INLINE void count_lost(void)
{
	u32 zero = 0;
	u64 *n = map_lookup(&lost, &zero);
	if (n)
		++*n;
}

SHARED int send(struct event *e)
{
	if (e->flags & HAS_PACKET) {
		struct event *r = ring_reserve(&ring, sizeof *r, 0);
		if (!r) {
			count_lost();
			return 0;
		}
		__builtin_memcpy(r, e, sizeof *r);
		ring_submit(r, wake(e->time));
		return 0;
	}
	struct event *r = ring_reserve(&ring, HEAD, 0);
	if (!r) {
		count_lost();
		return 0;
	}
	__builtin_memcpy(r, e, HEAD);
	ring_submit(r, wake(e->time));
	return 0;
}

// told notes that a socket's error was told; was_told asks.
INLINE void told(u64 cookie)
{
	u32 zero = 0;
	u64 *last = map_lookup(&reported, &zero);
	if (last)
		*last = cookie;
}

INLINE int was_told(u64 cookie)
{
	u32 zero = 0;
	u64 *last = map_lookup(&reported, &zero);
	return last && cookie && *last == cookie;
}

INLINE void begin(struct event *e, enum kind kind)
{
	__builtin_memset(e, 0, sizeof *e);
	e->time = ktime_ns();
	e->kind = kind;
}

INLINE void finish(struct event *e)
{
	find_owner(e);
	if (wanted(e))
		send(e);
}
