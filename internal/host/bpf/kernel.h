// The few parts of the kernel's types that events.c reads. The compiler notes
// each access by name (preserve_access_index), and the loader puts in where the
// running kernel has the member: the order and the sizes here mean nothing.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define SHARED static __attribute__((noinline)) // one copy for all programs: a BPF-to-BPF call

// Helpers of bpf-helpers(7), by their number in linux/bpf.h.
struct tcp_sock;
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const map_delete)(void *map, const void *key) = (void *)3;
static u64 (*const ktime_ns)(void) = (void *)5;
static u64 (*const current_pid_tgid)(void) = (void *)14;
static u64 (*const current_uid_gid)(void) = (void *)15;
static long (*const current_comm)(void *buf, u32 size) = (void *)16;
static void *(*const current_task)(void) = (void *)35;
static u64 (*const socket_cookie)(const void *sk) = (void *)46;
static long (*const read_user)(void *dst, u32 size, const void *src) = (void *)112;
static long (*const read_kernel)(void *dst, u32 size, const void *src) = (void *)113;
static void *(*const ring_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static long (*const print)(char *to, u32 size, const char *format, const u64 *values, u32 values_size) = (void *)165;
static void (*const ring_submit)(void *record, u64 flags) = (void *)132;
static struct tcp_sock *(*const to_tcp_sock)(void *sk) = (void *)137;
static u64 (*const ring_query)(void *ring, u64 what) = (void *)134;

const volatile u32 typed; // FAST

// A map is described by the types of a structure's members (libbpf's .maps).
#define MAP_UINT(name, value) int(*name)[value]
#define MAP_TYPE(name, t) t *name

enum { MAP_HASH = 1, MAP_PERCPU_ARRAY = 6, MAP_LRU_HASH = 9, MAP_RINGBUF = 27 };

// READ copies one member of a kernel structure, zero where it cannot be read.
#define READ(p, member)                                                                                                \
	({                                                                                                                 \
		typeof((p)->member) v_;                                                                                        \
		__builtin_memset(&v_, 0, sizeof v_);                                                                           \
		read_kernel(&v_, sizeof v_, __builtin_preserve_access_index(&(p)->member));                                    \
		v_;                                                                                                            \
	})
// FAST loads a member of what the verifier knows the type of (BPF_PROG_TYPE_TRACING),
// at a tenth of the cost. The loader asks for it first, and does without where a
// kernel refuses: its rules for such loads have changed several times.
#define FAST(p, member) (typed ? (p)->member : READ(p, member))
#define COPY(dst, p, member) read_kernel(dst, sizeof(dst), __builtin_preserve_access_index(&(p)->member))

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	u32 inum;
};
struct net {
	struct ns_common ns;
};
typedef struct {
	struct net *net;
} possible_net_t;

struct kernfs_node {
	u64 id; // the inode number of its directory, since Linux 5.5
};
struct cgroup {
	struct kernfs_node *kn;
};
struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct in6_addr {
	u8 bytes_[16];
};
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	s32 counter;
} atomic_t;

struct sock_common {
	u64 skc_addrpair; // skc_daddr, skc_rcv_saddr
	u32 skc_portpair; // skc_dport, skc_num
	u16 skc_family;
	u8 skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};
struct sock {
	struct sock_common __sk_common;
	s32 sk_err;
	u16 sk_protocol;
	struct sock_cgroup_data sk_cgrp_data;
};
struct inet_sock {
	u16 inet_sport;
};
struct inet_connection_sock {
	struct inet_sock icsk_inet;
};
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 srtt_us, total_retrans;
	u64 bytes_acked, bytes_received;
};

struct net_device {
	s32 ifindex;
	possible_net_t nd_net;
};
struct dst_entry {
	struct net_device *dev;
};
struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	s32 skb_iif;
	u32 len;
	u16 protocol, network_header;
	unsigned long _skb_refdst;
	u8 *head;
};

struct file {
	void *private_data;
};
struct fdtable {
	u32 max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct socket {
	struct sock *sk;
};
struct nsproxy {
	struct net *net_ns;
};
struct signal_struct {
	atomic_t live;
};
struct thread_info {
	unsigned long flags;
	u32 status;
};
struct task_struct {
	struct thread_info thread_info;
	s32 pid, tgid, exit_code;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
};

#if defined(__TARGET_x86)
struct pt_regs {
	unsigned long di, si, dx, orig_ax; // the arguments stay as they were
};
#elif defined(__TARGET_arm64)
struct pt_regs {
	unsigned long regs[31];
	u64 orig_x0; // the first argument, whose place the result takes
	s32 syscallno;
};
#else
#error "no target: x86 or arm64"
#endif

#pragma clang attribute pop

// System calls by number, and their arguments (syscall(2)).
#if defined(__TARGET_x86)
enum { SYS_socket = 41, SYS_connect = 42 };
#define ARG1(regs) READ(regs, di)
#define ARG2(regs) READ(regs, si)
#define ARG3(regs) READ(regs, dx)
#define SYSCALL(regs) ((long)READ(regs, orig_ax))
#define COMPAT(task) (READ(task, thread_info.status) & 2) // TS_COMPAT
#else
enum { SYS_socket = 198, SYS_connect = 203 };
#define ARG1(regs) READ(regs, orig_x0)
#define ARG2(regs) READ(regs, regs[1])
#define ARG3(regs) READ(regs, regs[2])
#define SYSCALL(regs) ((long)READ(regs, syscallno))
#define COMPAT(task) (READ(task, thread_info.flags) & (1 << 22)) // _TIF_32BIT
#endif

enum { AF_INET = 2, AF_INET6 = 10, IPPROTO_ICMP = 1, IPPROTO_TCP = 6, IPPROTO_UDP = 17, IPPROTO_ICMPV6 = 58 };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_TIME_WAIT = 6, TCP_CLOSE = 7, TCP_LISTEN = 10, TCP_NEW_SYN_RECV = 12 };
enum { SOCK_DONE = 1 }; // bit of skc_flags: the peer's FIN has come (tcp_fin)
enum { EINTR = 4, EISCONN = 106, EALREADY = 114, EINPROGRESS = 115, MAX_ERRNO = 511 };

enum { RING_NO_WAKEUP = 1, RING_FORCE_WAKEUP = 2, RING_AVAILABLE = 0 }; // bpf_ringbuf_submit, bpf_ringbuf_query

#define htons(x) __builtin_bswap16(x)
#define htonl(x) __builtin_bswap32(x)
