//go:build ignore

// What the kernel does with connections, from its tracepoints: a record in the
// ring for each event that is wanted. event_linux.go reads them.
#include "filter.h"

INLINE int change(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct event e;
	if (brief && ctx[1] == TCP_LISTEN)
		return 0; // the end of a listener, or its copy for a connection that is not accepted yet
	begin(&e, STATE);
	if (!from_argument(&e, sk) || e.protocol != IPPROTO_TCP)
		return 0;
	e.oldstate = ctx[1];
	e.newstate = ctx[2];
	if (make_cookie && !e.cookie)
		e.cookie = socket_cookie((void *)ctx[0]);
	if (e.newstate == TCP_CLOSE)
		e.err = FAST(sk, sk_err);
	if (own_only) {
		finish(&e);
		return 0;
	}
	// connect(2) and listen(2) change the state in the caller's context.
	int mine = e.oldstate == TCP_CLOSE && (e.newstate == TCP_SYN_SENT || e.newstate == TCP_LISTEN);
	if (mine) {
		struct owner o = {};
		from_current(&e);
		o.pid = e.pid;
		o.uid = e.uid;
		o.followed = want_tasks && map_lookup(&tasks, &e.pid) != 0;
		__builtin_memcpy(o.comm, e.comm, 16);
		map_update(&owners, &e.cookie, &o, 0);
		if (e.newstate == TCP_LISTEN) {
			struct listener l = {.netns = e.netns, .port = e.lport};
			map_update(&listeners, &l, &o, 0);
		}
	} else {
		find_owner(&e);
	}
	if (!wanted(&e) || (brief && e.newstate == TCP_LISTEN))
		return 0;
	if (brief && e.err)
		told(e.cookie);
	if (e.newstate == TCP_SYN_SENT && (want_tasks || want_cgroup)) {
		struct target t = {.netns = e.netns, .port = e.rport};
		u32 one = 1;
		__builtin_memcpy(t.addr, e.raddr, 16);
		map_update(&targets, &t, &one, 0);
	}
	send(&e);
	return 0;
}

SEC("tp_btf/inet_sock_set_state") int set_state(u64 *ctx)
{
	u32 zero = 0;
	struct twins *t = map_lookup(&twins, &zero);
	if (!t)
		return 0;
	t->busy++;
	change(ctx);
	t->busy--;
	return 0;
}

// The kernel does not enter a program again that it interrupts: a change that a
// softirq makes on this processor just then would be lost. The twin takes it.
SEC("tp_btf/inet_sock_set_state") int set_state_again(u64 *ctx)
{
	u32 zero = 0;
	struct twins *t = map_lookup(&twins, &zero);
	if (!t || !t->busy)
		return 0; // it was told
	t->caught++;
	return change(ctx);
}

static const char symbol_format[] = "%ps"; // the name without the offset

SEC("tp_btf/kfree_skb") int drop(u64 *ctx)
{
	struct sk_buff *skb = (struct sk_buff *)ctx[0];
	struct sock *sk = 0;
	struct event e;
	u32 reason = ctx[2];
	if (reason < 256 && quiet[reason >> 6 & 3] & 1ULL << (reason & 63))
		return 0;
	begin(&e, DROP);
	e.location = ctx[1];
	e.reason = reason;
	if (drop_has_socket)
		sk = (struct sock *)ctx[3];
	if (!sk)
		sk = READ(skb, sk);
	if (sk && !from_sock(&e, sk))
		return 0; // a socket of another family
	from_packet(&e, skb);
	if (!(e.flags & (HAS_SOCKET | HAS_PACKET)))
		return 0;
	if (e.protocol != IPPROTO_TCP && e.protocol != IPPROTO_UDP && !(e.flags & QUOTED))
		return 0;
	u32 iif = READ(skb, skb_iif);
	if (iif)
		e.flags |= ARRIVED;
	e.ifindex = iif;
	if (!(e.flags & HAS_SOCKET) || !iif) {
		// Each owner of a packet uses the place of its device for something
		// else once it has no need for it (a TCP queue, say): the route that
		// was found for it still names one.
		struct net_device *dev = READ(skb, dev);
		u32 ns = 0, index = 0;
		if (dev) {
			struct net *net = READ(dev, nd_net.net);
			ns = READ(net, ns.inum);
			index = READ(dev, ifindex);
		}
		if (!ns) {
			struct dst_entry *dst = (struct dst_entry *)(READ(skb, _skb_refdst) & ~1UL); // SKB_DST_NOREF
			if (dst) {
				dev = READ(dst, dev);
				struct net *net = READ(dev, nd_net.net);
				ns = READ(net, ns.inum);
				index = READ(dev, ifindex);
			}
		}
		if (!(e.flags & HAS_SOCKET))
			e.netns = ns;
		if (!iif)
			e.ifindex = index;
	}
	find_owner(&e);
	if (!wanted(&e))
		return 0;
	if (has_print)
		print((char *)e.function, sizeof e.function, symbol_format, &e.location, sizeof e.location);
	send(&e);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb") int retransmit(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct event e;
	begin(&e, RETRANSMIT);
	if (!from_argument(&e, sk))
		return 0;
	e.oldstate = e.newstate = FAST(sk, __sk_common.skc_state);
	finish(&e);
	return 0;
}

SEC("tp_btf/tcp_send_reset") int send_reset(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct sk_buff *skb = (struct sk_buff *)ctx[1];
	struct event e;
	begin(&e, RESET_SENT);
	if (reset_has_reason)
		e.reason = ctx[2];
	if (sk) {
		from_argument(&e, sk);
		e.oldstate = e.newstate = FAST(sk, __sk_common.skc_state);
		if (brief && e.newstate == TCP_CLOSE)
			told(e.cookie);
	}
	if (skb) {
		from_packet(&e, skb);
		e.protocol = IPPROTO_TCP;
		if (READ(skb, skb_iif))
			e.flags |= ARRIVED;
		e.ifindex = READ(skb, skb_iif);
		if (!sk) {
			struct net_device *dev = READ(skb, dev);
			if (!dev) {
				struct dst_entry *dst = (struct dst_entry *)(READ(skb, _skb_refdst) & ~1UL);
				dev = READ(dst, dev);
			}
			struct net *net = READ(dev, nd_net.net);
			e.netns = READ(net, ns.inum);
		}
	}
	finish(&e);
	return 0;
}

SEC("tp_btf/tcp_receive_reset") int receive_reset(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct event e;
	begin(&e, RESET_RECEIVED);
	if (!from_argument(&e, sk))
		return 0;
	e.oldstate = e.newstate = FAST(sk, __sk_common.skc_state);
	finish(&e);
	return 0;
}

SEC("tp_btf/inet_sk_error_report") int error_report(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	u8 state = FAST(sk, __sk_common.skc_state);
	if (brief && state == TCP_CLOSE && was_told(FAST(sk, __sk_common.skc_cookie.counter)))
		return 0;
	struct event e;
	begin(&e, ERROR_REPORT);
	if (!from_argument(&e, sk))
		return 0;
	e.oldstate = e.newstate = state;
	e.err = FAST(sk, sk_err);
	finish(&e);
	return 0;
}

// sock_of finds the socket behind a descriptor of the current task.
INLINE struct sock *sock_of(struct task_struct *task, s32 fd)
{
	struct files_struct *files = READ(task, files);
	struct fdtable *table = READ(files, fdt);
	if (fd < 0 || (u32)fd >= READ(table, max_fds))
		return 0;
	struct file **slots = READ(table, fd), *file = 0;
	read_kernel(&file, sizeof file, slots + fd);
	if (!file)
		return 0;
	struct socket *socket = READ(file, private_data);
	return socket ? READ(socket, sk) : 0;
}

// The arguments of a call are still in its registers when it returns.
SEC("tp_btf/sys_exit") int call_exit(u64 *ctx)
{
	long result = ctx[1];
	if (result >= 0 || result < -MAX_ERRNO || result == -EINPROGRESS || result == -EINTR)
		return 0;
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	long nr = SYSCALL(regs);
	if (nr != SYS_connect && nr != SYS_socket)
		return 0;
	struct task_struct *task = current_task();
	if (COMPAT(task))
		return 0; // another table of numbers
	struct event e;
	begin(&e, nr == SYS_connect ? CONNECT_FAILED : SOCKET_FAILED);
	struct nsproxy *proxy = READ(task, nsproxy);
	struct net *net = READ(proxy, net_ns);
	e.netns = READ(net, ns.inum);
	e.err = -result;
	if (nr == SYS_connect) {
		struct {
			u16 family, port;
			u32 addr4;
			u8 addr6[16];
			u32 scope;
		} sa = {}; // struct sockaddr_in, struct sockaddr_in6
		const void *from = (const void *)ARG2(regs);
		u32 length = ARG3(regs);
		if (result == -EALREADY || result == -EISCONN || length < 16 || read_user(&sa, 16, from))
			return 0;
		struct sock *sk = sock_of(task, ARG1(regs));
		u16 family = sk ? READ(sk, __sk_common.skc_family) : 0;
		if (family == AF_INET || family == AF_INET6)
			from_sock(&e, sk);
		if (sa.family == AF_INET)
			map4(e.raddr, sa.addr4);
		else if (sa.family != AF_INET6 || length < 24 || read_user(e.raddr, 16, from + 8))
			return 0;
		e.flags |= HAS_SOCKET;
		e.rport = htons(sa.port);
	} else {
		u32 family = ARG1(regs), type = ARG2(regs) & 0xf, protocol = ARG3(regs); // without SOCK_NONBLOCK and SOCK_CLOEXEC
		if (family != AF_INET && family != AF_INET6)
			return 0;
		e.protocol = protocol ? protocol : type == 1 ? IPPROTO_TCP : type == 2 ? IPPROTO_UDP : 0;
	}
	from_current(&e);
	if (wanted(&e))
		send(&e);
	return 0;
}

SEC("tp_btf/sched_process_fork") int task_fork(u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0], *child = (struct task_struct *)ctx[1];
	u32 pid = READ(child, tgid), from = READ(parent, tgid), one = 1;
	if (pid == from || (want_tasks && !map_lookup(&tasks, &from)))
		return 0; // a thread, or nobody's child
	if (want_tasks)
		map_update(&tasks, &pid, &one, 0);
	struct event e;
	begin(&e, FORKED);
	from_current(&e);
	e.pid = pid;
	e.reason = from;
	send(&e);
	return 0;
}

SEC("tp_btf/sched_process_exec") int task_exec(u64 *ctx)
{
	struct event e;
	begin(&e, EXECUTED);
	from_current(&e);
	if (!want_tasks || map_lookup(&tasks, &e.pid))
		send(&e);
	return 0;
}

SEC("tp_btf/sched_process_exit") int task_exit(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct signal_struct *signal = READ(task, signal);
	if (READ(signal, live.counter))
		return 0; // other threads of it live on
	struct event e;
	begin(&e, EXITED);
	from_current(&e);
	if (want_tasks) {
		if (!map_lookup(&tasks, &e.pid))
			return 0;
		map_delete(&tasks, &e.pid);
	}
	e.err = READ(task, exit_code);
	send(&e);
	return 0;
}

char terms[] SEC("license") = "Dual MIT/GPL";
