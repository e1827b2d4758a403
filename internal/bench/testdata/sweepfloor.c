/*
 * usage: sweepfloor epoll|uring FIRST COUNT PORT,... IN-FLIGHT TIMEOUT_MS
 *
 * The least that COUNT connects by non-blocking sockets cost on this kernel, in
 * one thread: a new socket for each, SO_ERROR (epoll) or the completion's result
 * (io_uring) decides, and SO_LINGER {1,0} leaves no TIME_WAIT. Target i is the
 * address FIRST + i / ports with port i % ports. Prints open, refused, silent
 * and other.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct slot {
	int fd, next, prev, gave_up;
	long long began;
	struct sockaddr_in to;
};

static struct slot *slots;
static int *free_slots, free_count, head = -1, tail = -1, flying;
static long long count, begun, timeout_ns;
static unsigned first;
static int ports[64], port_count;
static long long opened, refused, silent, other;

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void push(int i)
{
	slots[i].next = -1;
	slots[i].prev = tail;
	if (tail >= 0) slots[tail].next = i; else head = i;
	tail = i;
}

static void unlink_slot(int i)
{
	struct slot *s = &slots[i];
	if (s->prev >= 0) slots[s->prev].next = s->next; else head = s->next;
	if (s->next >= 0) slots[s->next].prev = s->prev; else tail = s->prev;
}

static void tally(int error)
{
	if (error == 0) opened++;
	else if (error == ECONNREFUSED) refused++;
	else if (error == ECANCELED || error == ETIMEDOUT) silent++;
	else other++;
}

/* open_slot takes a slot and gives it a socket and a target. */
static int open_slot(void)
{
	static const struct linger abort_ = {1, 0};
	int i = free_slots[--free_count];
	struct slot *s = &slots[i];
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &abort_, sizeof abort_);
	s->to.sin_family = AF_INET;
	s->to.sin_addr.s_addr = htonl(first + begun / port_count);
	s->to.sin_port = htons(ports[begun % port_count]);
	s->began = now();
	s->gave_up = 0;
	begun++;
	return i;
}

static void end(int i, int error)
{
	tally(error);
	close(slots[i].fd);
	free_slots[free_count++] = i;
}

static void by_epoll(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[256];
	while (begun < count || flying) {
		while (begun < count && free_count) {
			int i = open_slot();
			struct slot *s = &slots[i];
			if (connect(s->fd, (struct sockaddr *)&s->to, sizeof s->to) == 0) {
				end(i, 0);
			} else if (errno != EINPROGRESS) {
				end(i, errno);
			} else {
				struct epoll_event e = {EPOLLOUT, {.u32 = i}};
				epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e);
				push(i);
				flying++;
			}
		}
		long long wait = head < 0 ? 0 : (slots[head].began + timeout_ns - now()) / 1000000 + 1;
		int n = epoll_wait(ep, events, 256, wait < 0 ? 0 : wait);
		for (int k = 0; k < n; k++) {
			int i = events[k].data.u32, error = 0;
			socklen_t size = sizeof error;
			getsockopt(slots[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
			unlink_slot(i);
			flying--;
			end(i, error);
		}
		for (long long t = now(); head >= 0 && slots[head].began + timeout_ns <= t;) {
			int i = head;
			unlink_slot(i);
			flying--;
			end(i, ETIMEDOUT);
		}
	}
}

static void by_uring(unsigned in_flight)
{
	unsigned entries = 1;
	while (entries < in_flight && entries < 4096) entries *= 2;
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE, .cq_entries = 65536};
	int ring = syscall(__NR_io_uring_setup, entries, &p);
	if (ring < 0) {
		perror("io_uring_setup");
		exit(2);
	}
	char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	unsigned *sq_tail = (void *)(sq + p.sq_off.tail), *array = (void *)(sq + p.sq_off.array), mask = p.sq_entries - 1;
	unsigned *cq_head = (void *)(cq + p.cq_off.head), *cq_tail = (void *)(cq + p.cq_off.tail), cq_mask = p.cq_entries - 1;
	struct io_uring_cqe *cqes = (void *)(cq + p.cq_off.cqes);
	while (begun < count || flying) {
		unsigned t = *sq_tail, added = 0;
		for (; begun < count && free_count && added < p.sq_entries / 2; added++) {
			int i = open_slot();
			struct io_uring_sqe *e = &sqes[t & mask];
			memset(e, 0, sizeof *e);
			e->opcode = IORING_OP_CONNECT;
			e->fd = slots[i].fd;
			e->addr = (unsigned long)&slots[i].to;
			e->off = sizeof slots[i].to;
			e->user_data = i;
			array[t & mask] = t & mask;
			t++;
			push(i);
			flying++;
		}
		for (long long at = now(); head >= 0 && slots[head].began + timeout_ns <= at && added < p.sq_entries; added++) {
			int i = head;
			unlink_slot(i);
			slots[i].gave_up = 1;
			struct io_uring_sqe *e = &sqes[t & mask];
			memset(e, 0, sizeof *e);
			e->opcode = IORING_OP_ASYNC_CANCEL;
			e->addr = i;
			e->flags = IOSQE_CQE_SKIP_SUCCESS;
			e->user_data = ~0ULL;
			array[t & mask] = t & mask;
			t++;
		}
		__atomic_store_n(sq_tail, t, __ATOMIC_RELEASE);
		struct __kernel_timespec ts = {0, 1000000};
		if (head >= 0 && !added) {
			long long ns = slots[head].began + timeout_ns - now();
			if (ns < 0) ns = 0;
			ts.tv_sec = ns / 1000000000;
			ts.tv_nsec = ns % 1000000000;
		}
		struct io_uring_getevents_arg arg = {.ts = (unsigned long)&ts};
		syscall(__NR_io_uring_enter, ring, added, added ? 0 : 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
		unsigned h = *cq_head, until = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
		for (; h != until; h++) {
			struct io_uring_cqe *c = &cqes[h & cq_mask];
			if (c->user_data == ~0ULL) continue;
			int i = c->user_data;
			if (!slots[i].gave_up) unlink_slot(i);
			flying--;
			end(i, -c->res);
		}
		__atomic_store_n(cq_head, h, __ATOMIC_RELEASE);
	}
}

int main(int argc, char **argv)
{
	struct in_addr a;
	if (argc != 7 || inet_pton(AF_INET, argv[2], &a) != 1)
		return 64;
	first = ntohl(a.s_addr);
	for (char *p = strtok(argv[4], ","); p && port_count < 64; p = strtok(0, ",")) ports[port_count++] = atoi(p);
	count = atoll(argv[3]);
	int in_flight = atoi(argv[5]);
	timeout_ns = atoll(argv[6]) * 1000000LL;
	slots = calloc(in_flight, sizeof *slots);
	free_slots = calloc(in_flight, sizeof *free_slots);
	for (int i = 0; i < in_flight; i++) free_slots[free_count++] = i;
	if (strcmp(argv[1], "uring") == 0) by_uring(in_flight); else by_epoll();
	printf("%lld %lld %lld %lld\n", opened, refused, silent, other);
	return 0;
}
