//go:build !linux

package feature

import "runtime"

// Survey lists what dialscope observes on this system. What it observes on
// Linux only is listed once.
func Survey() []Feature {
	return []Feature{
		{ID: "connect", Title: "the result of connect and its time", State: Yes,
			Why:  "every system has it",
			Adds: "outcome, errno, duration and addresses of each attempt"},
		{ID: "resolver", Title: "what each name server said", State: Yes,
			Why:  "it takes nothing but a UDP socket",
			Adds: "NXDOMAIN, SERVFAIL, silence and refusal told apart"},
		{ID: "error_queue", Title: "ICMP errors from the socket's error queue", State: No,
			Why:  runtime.GOOS + " has no IP_RECVERR",
			Adds: "who sent an ICMP error, its type and code"},
		{ID: "host", Title: "routes, neighbours, sockets and counters of this host", State: No,
			Why:  "dialscope asks for them on Linux only",
			Adds: "why no packet left this host, and what it threw away"},
	}
}
