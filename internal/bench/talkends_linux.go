package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
)

// octets is a size as people write it.
type octets int64

var octetUnits = []struct {
	name string
	size octets
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (o *octets) String() string {
	if o == nil {
		return ""
	}
	return fmt.Sprint(*o)
}

// Format writes it in the largest unit that divides it.
func (o octets) Format(f fmt.State, _ rune) {
	for _, u := range octetUnits {
		if o >= u.size && o%u.size == 0 {
			fmt.Fprintf(f, "%d%s", int64(o/u.size), u.name)
			return
		}
	}
	fmt.Fprintf(f, "%d", int64(o))
}

// Set reads "1GiB", "64MiB" or a number.
func (o *octets) Set(text string) error {
	unit := octets(1)
	for _, u := range octetUnits {
		if before, is := strings.CutSuffix(text, u.name); is {
			text, unit = before, u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 1<<40/int64(unit) {
		return fmt.Errorf("write a number up to 1024GiB, with KiB, MiB or GiB if you like")
	}
	*o = octets(n) * unit
	return nil
}

// talkPattern makes what is sent: octet i is talkPattern()[i%len]. Its length shares no
// factor with the sizes of buffers, so that a piece lost, doubled or moved shows.
func talkPattern() []byte {
	b := make([]byte, 1<<20+4093)
	rand.NewChaCha8([32]byte{'t', 'a', 'l', 'k'}).Read(b) //nolint:errcheck // it never fails
	return b
}

// talkPiece is what is written and read at once.
const talkPiece = 128 << 10

// writePattern writes size octets.
func writePattern(w io.Writer, size int64) error {
	pattern := talkPattern()
	for at := int64(0); at < size; {
		from := at % int64(len(pattern))
		n, err := w.Write(pattern[from:min(from+talkPiece, int64(len(pattern)), from+size-at)])
		if at += int64(n); err != nil {
			return fmt.Errorf("after %d of %d octets: %w", at, size, err)
		}
	}
	return nil
}

// checkPattern reads to the end, and compares every octet with what was sent.
func checkPattern(r io.Reader, size int64) error {
	pattern := talkPattern()
	buf := make([]byte, talkPiece)
	for at := int64(0); ; {
		n, err := r.Read(buf)
		for got := buf[:n]; len(got) > 0; {
			want := pattern[at%int64(len(pattern)):]
			k := min(len(want), len(got))
			if at+int64(k) > size {
				return fmt.Errorf("more than the %d octets that were sent", size)
			}
			if !bytes.Equal(got[:k], want[:k]) {
				return fmt.Errorf("other octets than were sent, from one of the %d after the first %d", k, at)
			}
			at, got = at+int64(k), got[k:]
		}
		switch {
		case err == io.EOF && at == size:
			return nil
		case err == io.EOF:
			return fmt.Errorf("the end came after %d of %d octets", at, size)
		case err != nil:
			return fmt.Errorf("after %d of %d octets: %w", at, size, err)
		}
	}
}

// talkSource writes SIZE octets to its output.
func talkSource(args []string) error {
	size, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	return writePattern(os.Stdout, size)
}

// talkSink checks what comes from its input.
func talkSink(args []string) error {
	size, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	return checkPattern(os.Stdin, size)
}

// talkPeer accepts one connection, whose address it prints, reads SIZE octets of
// it or writes as many, or both, and ends it in order.
func talkPeer(args []string) error {
	size, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	reads, writes := args[0] == "true", args[1] == "true"
	l, err := net.Listen("tcp4", lo+":0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	accepted, err := l.Accept()
	if err != nil {
		return err
	}
	l.Close()
	conn := accepted.(*net.TCPConn)
	defer conn.Close()
	written := make(chan error, 1)
	go func() {
		var err error
		if writes {
			if err = writePattern(conn, size); err == nil {
				err = conn.CloseWrite()
			}
		}
		written <- err
	}()
	want := int64(0)
	if reads {
		want = size
	}
	if err := checkPattern(conn, want); err != nil {
		return fmt.Errorf("the peer got %w", err)
	}
	if err := <-written; err != nil {
		return fmt.Errorf("the peer's writing: %w", err)
	}
	return nil
}
