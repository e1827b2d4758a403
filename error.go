package dialscope

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is a failed dial. It unwraps to the *net.OpError that net.Dialer would
// have returned, and through it to the *os.SyscallError and syscall.Errno, the
// *net.DNSError, or the deadline that ended it:
//
//	errors.Is(err, syscall.ECONNREFUSED)
//	errors.Is(err, context.DeadlineExceeded)
//	var ne net.Error; errors.As(err, &ne) && ne.Timeout()
//
// A program that type-asserts *net.OpError without errors.As finds it in Op.
type Error struct {
	Op     *net.OpError
	Report *Report
}

// Error is one sentence: net's own words, then what happened and how sure that is.
func (e *Error) Error() string {
	v := e.Report.Verdict()
	if v.Cause == "" {
		return e.Op.Error()
	}
	what := firstSentence(v.Explanation)
	return fmt.Sprintf("%v: %s (%s, %s)", e.Op, what, v.Cause, v.Confidence)
}

// firstSentence is the explanation's first sentence, as the end of a longer one.
func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSuffix(s, ".")
	first, n := utf8.DecodeRuneInString(s)
	if second, _ := utf8.DecodeRuneInString(s[n:]); unicode.IsUpper(first) && !unicode.IsUpper(second) {
		s = string(unicode.ToLower(first)) + s[n:]
	}
	return s
}

// Unwrap gives the *net.OpError.
func (e *Error) Unwrap() error { return e.Op }

// Timeout implements [net.Error].
func (e *Error) Timeout() bool { return e.Op.Timeout() }

// Temporary implements [net.Error].
func (e *Error) Temporary() bool { return e.Op.Temporary() }

// timeoutError is what net.Dialer has inside its OpError when a deadline passes.
type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded
}

// cancelledError is what net.Dialer has inside its OpError after a cancellation.
type cancelledError struct{}

func (cancelledError) Error() string     { return "operation was canceled" }
func (cancelledError) Is(err error) bool { return err == context.Canceled }
