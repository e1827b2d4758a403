// Package listen is a server to test against: it accepts as fast as the kernel
// hands connections out, treats each in the one way that it was told to, and says
// who came and how each connection ended.
//
// One thread a processor has its own listening sockets (SO_REUSEPORT, socket(7))
// and its own epoll instance, and shares nothing with the others but counters.
// Nothing blocks: a client that is gone between readiness and accept(2) costs one
// call. Where descriptors run out, the listeners leave the epoll instance until
// there is room, and clients wait in the kernel's queue.
package listen
