// Package lab builds small networks, breaks them in one exact way, dials, and
// compares what dialscope says with what is really wrong.
//
// A [Scenario] is data: a topology, faults, services, a dial, and the truth. The
// ones in the folder scenarios are built in ([Library]); docs/lab.md describes
// the format. [Stand] builds one out of network namespaces, [Run] judges it.
//
// The dial is made by another process, the one that the caller's [Program]
// starts inside the client: what is judged is what a user would have read.
package lab
