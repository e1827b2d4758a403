/*
 * usage: floor ADDRESS PORT COUNT
 *
 * The least that a dial with a deadline costs on this kernel: a non-blocking
 * socket, connect, poll, SO_ERROR. Prints what each dial took, in ns, a line
 * each. Closes with SO_LINGER {1,0}, outside the measured time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		return 64;
	int count = atoi(argv[3]);
	long long *took = calloc(count, sizeof *took);
	struct linger abort_ = {1, 0};

	for (int i = 0; i < count; i++) {
		long long began = now();
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			perror("socket");
			return 1;
		}
		int error = 0;
		if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
			if (errno != EINPROGRESS) {
				perror("connect");
				return 1;
			}
			struct pollfd p = {fd, POLLOUT, 0};
			socklen_t size = sizeof error;
			if (poll(&p, 1, 5000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
				perror("poll");
				return 1;
			}
		}
		took[i] = now() - began;
		if (error) {
			fprintf(stderr, "connect: %s\n", strerror(error));
			return 1;
		}
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_, sizeof abort_);
		close(fd);
	}
	for (int i = 0; i < count; i++)
		printf("%lld\n", took[i]);
	return 0;
}
