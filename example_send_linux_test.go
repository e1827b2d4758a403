package dialscope_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/dialscope/dialscope"
)

// Send flags on a connection. `dialscope lab capture` and tcpdump show what they
// do to the segments: MSG_MORE puts both halves into one, MSG_EOR keeps what
// follows out of it, MSG_OOB sets URG and the urgent pointer.
func ExampleSend() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	defer c.Close()

	for _, part := range []struct {
		text  string
		flags dialscope.SendFlags
	}{
		{"first half, ", dialscope.More},                                          // kept back
		{"second half", dialscope.EndOfRecord},                                    // one segment; nothing joins it
		{"neighbour", dialscope.DontRoute},                                        // TCP does not heed it
		{"stop!", dialscope.OutOfBand},                                            // URG, pointing behind the !
		{"if there is room", dialscope.DontWait},                                  // else EAGAIN
		{"no SIGPIPE", dialscope.NoSignal},                                        // Send never raises it
		{"the last", dialscope.DontWait | dialscope.EndOfRecord | dialscope.More}, // flags add up
	} {
		n, err := dialscope.Send(c, []byte(part.text), part.flags)
		fmt.Println(n, err, part.flags)
	}
	// Output:
	// 12 <nil> MSG_MORE
	// 11 <nil> MSG_EOR
	// 9 <nil> MSG_DONTROUTE
	// 5 <nil> MSG_OOB
	// 16 <nil> MSG_DONTWAIT
	// 10 <nil> MSG_NOSIGNAL
	// 8 <nil> MSG_DONTWAIT|MSG_EOR|MSG_MORE
}

// A datagram has no urgent data, and the error says so as the kernel does.
func ExampleSend_error() {
	c, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, err = dialscope.Send(c, []byte("urgent"), dialscope.OutOfBand)
	fmt.Println(errors.Is(err, syscall.EOPNOTSUPP))
	// Output: true
}
