package dialscope_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/evidence"
)

// closed is a loopback address at which nothing listens.
func closed() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A Dialer takes net.Dialer's place: the same call, the same connection, the
// same tests of the error, and an error that says what happened.
func ExampleDialer() {
	d := dialscope.Dialer{Timeout: 5 * time.Second}
	conn, err := d.Dial("tcp", closed())
	if err != nil {
		fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))
		return
	}
	defer conn.Close()
	// Output: refused: true
}

// DialReport gives the report beside the connection, also when all went well.
func ExampleDialer_DialReport() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()

	conn, report, err := new(dialscope.Dialer).DialReport(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	v := report.Verdict()
	fmt.Println(v.Outcome, v.Cause, v.Confidence)
	info, _, ok := evidence.Last[*evidence.TCPInfo](report.Attempts[report.Winner()].Log)
	fmt.Println(ok, info.State)
	// Output:
	// open open certain
	// true ESTABLISHED
}

// The error of a failed dial carries the report and unwraps to all that
// net.Dialer's error does.
func ExampleError() {
	address := closed()
	_, err := new(dialscope.Dialer).Dial("tcp", address)

	var e *dialscope.Error
	if errors.As(err, &e) {
		v := e.Report.Verdict()
		fmt.Println(v.Outcome, v.Cause, v.Errno)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		fmt.Println(strings.ReplaceAll(op.Error(), address, "HOST:PORT"))
	}
	var timeout net.Error
	fmt.Println(errors.As(err, &timeout) && timeout.Timeout())
	// Output:
	// refused port-closed ECONNREFUSED
	// dial tcp HOST:PORT: connect: connection refused
	// false
}

// An HTTP client that knows why it could not connect.
func ExampleDialer_http() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	transport := &http.Transport{DialContext: (&dialscope.Dialer{Timeout: 5 * time.Second}).DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	for _, url := range []string{server.URL, "http://" + closed()} {
		resp, err := client.Get(url)
		var e *dialscope.Error
		if errors.As(err, &e) {
			fmt.Println("no connection:", e.Report.Verdict().Cause)
			continue
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Printf("%s\n", body)
	}
	// Output:
	// hello
	// no connection: port-closed
}

// A Trace shows what happens while it happens. Here the attempts, and the
// observation that decided.
func ExampleTrace() {
	d := dialscope.Dialer{Trace: &dialscope.Trace{
		AttemptStart: func(attempt int, remote netip.AddrPort) { fmt.Println("attempt", attempt, "to", remote.Addr()) },
		Observed: func(attempt int, e evidence.Entry) {
			if f, is := e.Fact.(*evidence.SOError); is {
				fmt.Println("attempt", attempt, "ended with", f.Errno)
			}
		},
		AttemptDone: func(attempt int, a evidence.Attempt) { fmt.Println("attempt", attempt, "is over") },
	}}
	d.Dial("tcp", closed())
	// Output:
	// attempt 0 to 127.0.0.1
	// attempt 0 ended with ECONNREFUSED
	// attempt 0 is over
}
