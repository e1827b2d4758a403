// Package procfs reads what proc(5) and getrlimit(2) tell about this host and
// this process: kernel settings, limits and how much of them is used, the
// connection tracking table, and the policies that may deny a system call.
//
// Settings under net. belong to the network namespace of the calling thread.
// Nothing here needs a privilege. On systems other than Linux every function
// returns an error that wraps [errors.ErrUnsupported].
package procfs
