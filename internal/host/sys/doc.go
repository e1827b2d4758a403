// Package sys is the one door to the kernel: only here are
// golang.org/x/sys/unix and unsafe imported.
//
// Calls that cannot block are made without telling the scheduler
// (RawSyscall): a socket call here takes well under ten microseconds, and the
// scheduler's round trip would be a tenth of it. Wrappers return
// syscall.Errno values unchanged, 0 for success; nothing is retried that
// connect(2) says must not be.
//
// On systems other than Linux a wrapper that has no equivalent is missing, so
// that its caller's Linux file does not build there by accident; the errno
// names exist everywhere.
package sys
