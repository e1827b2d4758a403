// The record of an event, and how it is filled from a socket and from a packet.
#pragma once
#include "kernel.h"

enum kind {
	STATE = 1,
	DROP,
	RETRANSMIT,
	RESET_SENT,
	RESET_RECEIVED,
	ERROR_REPORT,
	CONNECT_FAILED,
	SOCKET_FAILED,
	FORKED,
	EXECUTED,
	EXITED,
};

enum flag {
	HAS_SOCKET = 1, // local and remote are a socket's
	HAS_PACKET = 2, // src and dst are a packet's
	ARRIVED = 4,    // the packet came in through an interface
	QUOTED = 8,     // src and dst stand in the packet that an ICMP error quotes
	FOLLOWED = 16,  // its owner was followed when it opened the socket
};

// The first part tells of a socket; what has no packet ends there.
struct event {
	u64 time; // CLOCK_MONOTONIC, ns
	u64 cookie;
	u64 cgroup;
	u64 acked, received;   // bytes
	u8 laddr[16], raddr[16]; // IPv4 is mapped: RFC 4291 §2.5.5.2
	u8 comm[16];
	u32 netns;
	u32 pid, uid;
	u32 reason;
	s32 err;
	u32 srtt; // µs
	u32 retrans;
	u16 lport, rport; // host order
	u8 kind, protocol, flags;
	u8 oldstate, newstate;
	u8 pad[3];

	// The packet.
	u8 saddr[16], daddr[16];
	u64 location;
	u8 function[40]; // that the location lies in
	u32 ifindex;
	u32 seq, ack;
	u16 length;
	u16 sport, dport; // host order
	u8 tcpflags, ttl;
	u8 icmptype, icmpcode;
	u8 pad2[2];
};

// The size of the first part.
enum { HEAD = __builtin_offsetof(struct event, saddr) };

INLINE void map4(u8 *to, u32 addr)
{
	((u32 *)to)[0] = 0;
	((u32 *)to)[1] = 0;
	((u32 *)to)[2] = htonl(0xffff);
	((u32 *)to)[3] = addr;
}

// FROM_COMMON fills in what every socket says; zero: it is of another family.
#define FROM_COMMON(READ, e, sk)                                                                                       \
	({                                                                                                                 \
		u16 family_ = READ(sk, __sk_common.skc_family);                                                                \
		if (family_ == AF_INET) {                                                                                      \
			u64 both_ = READ(sk, __sk_common.skc_addrpair);                                                            \
			map4(e->raddr, both_);                                                                                     \
			map4(e->laddr, both_ >> 32);                                                                               \
		} else if (family_ == AF_INET6) {                                                                              \
			COPY(e->laddr, sk, __sk_common.skc_v6_rcv_saddr);                                                          \
			COPY(e->raddr, sk, __sk_common.skc_v6_daddr);                                                              \
		}                                                                                                              \
		u32 ports_ = READ(sk, __sk_common.skc_portpair);                                                               \
		e->rport = htons((u16)ports_);                                                                                 \
		e->lport = ports_ >> 16;                                                                                       \
		e->cookie = READ(sk, __sk_common.skc_cookie.counter);                                                          \
		struct net *net_ = READ(sk, __sk_common.skc_net.net);                                                          \
		e->netns = READ(net_, ns.inum);                                                                                \
		e->flags |= HAS_SOCKET;                                                                                        \
		family_ == AF_INET || family_ == AF_INET6;                                                                     \
	})

#define FROM_CGROUP(READ, e, sk)                                                                                       \
	({                                                                                                                 \
		struct cgroup *group_ = READ(sk, sk_cgrp_data.cgroup);                                                         \
		if (group_) {                                                                                                  \
			struct kernfs_node *kn_ = READ(group_, kn);                                                                \
			e->cgroup = READ(kn_, id);                                                                                 \
		}                                                                                                              \
	})

// from_sock fills in what a socket says. One that is still a request or already
// in TIME_WAIT has only the common part (request_sock, inet_timewait_sock).
SHARED int from_sock(struct event *e, struct sock *sk)
{
	if (!FROM_COMMON(READ, e, sk))
		return 0;
	u8 state = READ(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV) {
		e->protocol = IPPROTO_TCP;
		return 1;
	}
	u16 protocol = READ(sk, sk_protocol);
	e->protocol = protocol < 256 ? protocol : 0; // IPPROTO_MPTCP's own sockets send nothing
	// In CLOSE the number is given back already (inet_put_port).
	struct inet_sock *inet = (struct inet_sock *)sk;
	e->lport = htons(READ(inet, inet_sport));
	FROM_CGROUP(READ, e, sk);
	return 1;
}

INLINE void from_tcp(struct event *e, struct sock *sk, struct tcp_sock *tp)
{
	e->lport = htons(FAST(tp, inet_conn.icsk_inet.inet_sport));
	e->srtt = FAST(tp, srtt_us) >> 3;
	e->retrans = FAST(tp, total_retrans);
	e->acked = FAST(tp, bytes_acked);
	e->received = FAST(tp, bytes_received);
	// The kernel counts the FIN among them (tcp_rcv_nxt_update).
	unsigned long flags = FAST(sk, __sk_common.skc_flags);
	if (e->received && flags & 1UL << SOCK_DONE)
		e->received--;
}

// from_argument is from_sock for a tracepoint's own argument, whose type is
// known, and with TCP's figures.
SHARED int from_argument(struct event *e, struct sock *sk)
{
	if (!FROM_COMMON(FAST, e, sk))
		return 0;
	u8 state = FAST(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV) {
		e->protocol = IPPROTO_TCP;
		return 1;
	}
	u16 protocol = FAST(sk, sk_protocol);
	e->protocol = protocol < 256 ? protocol : 0;
	if (protocol != IPPROTO_TCP) {
		struct inet_sock *inet = (struct inet_sock *)sk;
		e->lport = htons(READ(inet, inet_sport));
	} else if (typed) {
		struct tcp_sock *tp = to_tcp_sock(sk);
		if (tp)
			from_tcp(e, sk, tp);
	} else {
		from_tcp(e, sk, (struct tcp_sock *)sk);
	}
	FROM_CGROUP(FAST, e, sk);
	return 1;
}

// from_ip reads addresses and ports of the packet at p; its transport header's
// place, 0 where there is none that can be read.
INLINE u8 *from_ip(struct event *e, u8 *p, u8 *protocol)
{
	u8 h[40] = {};
	u32 step;
	if (read_kernel(h, 20, p))
		return 0;
	switch (h[0] >> 4) {
	case 4:
		*protocol = h[9];
		map4(e->saddr, *(u32 *)&h[12]);
		map4(e->daddr, *(u32 *)&h[16]);
		e->ttl = h[8];
		e->length = htons(*(u16 *)&h[2]);
		if (htons(*(u16 *)&h[6]) & 0x1fff)
			return 0; // not the first fragment
		step = (h[0] & 15) * 4;
		break;
	case 6:
		if (read_kernel(h, 40, p))
			return 0;
		*protocol = h[6];
		__builtin_memcpy(e->saddr, h + 8, 16);
		__builtin_memcpy(e->daddr, h + 24, 16);
		e->ttl = h[7];
		e->length = htons(*(u16 *)&h[4]) + 40;
		step = 40;
		break;
	default:
		return 0;
	}
	e->flags |= HAS_PACKET;
	return p + step;
}

INLINE void from_ports(struct event *e, u8 *p)
{
	u16 port[2] = {};
	read_kernel(port, sizeof port, p);
	e->sport = htons(port[0]);
	e->dport = htons(port[1]);
}

SHARED int from_packet(struct event *e, struct sk_buff *skb)
{
	u16 at = READ(skb, network_header);
	u8 *head = READ(skb, head);
	u8 protocol = 0;
	if (at == 0xffff || !head)
		return 0;
	u8 *p = from_ip(e, head + at, &protocol);
	e->protocol = protocol;
	if (!p)
		return 0;
	if (protocol == IPPROTO_TCP) {
		u8 h[14] = {};
		from_ports(e, p);
		if (read_kernel(h, sizeof h, p))
			return 0;
		e->seq = htonl(*(u32 *)&h[4]);
		e->ack = htonl(*(u32 *)&h[8]);
		e->tcpflags = h[13];
	} else if (protocol == IPPROTO_UDP) {
		from_ports(e, p);
	} else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		u8 h[2] = {};
		read_kernel(h, sizeof h, p);
		e->icmptype = h[0];
		e->icmpcode = h[1];
		int error = protocol == IPPROTO_ICMP ? h[0] == 3 || h[0] == 11 || h[0] == 12 : h[0] >= 1 && h[0] <= 4;
		if (!error)
			return 0;
		u8 ttl = e->ttl;
		u16 length = e->length;
		p = from_ip(e, p + 8, &protocol);
		e->ttl = ttl;
		e->length = length;
		if (!p || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
			return 0;
		e->flags |= QUOTED;
		from_ports(e, p);
	}
	return 0;
}
