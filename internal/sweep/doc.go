// Package sweep plans many connection attempts: which targets there are, in
// which order they come, how many go at once, and what becomes of one that got
// no answer.
//
// The package is pure. It is told the time and the results and says what to
// try next; sockets belong to internal/host/reactor and the clock to whoever
// joins the two. A [Space] is the product of addresses and ports, an [Order] a
// random order of it without memory, and a [Schedule] deals the attempts out
// within the limits.
package sweep
