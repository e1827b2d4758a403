package talk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// longest is the most that one datagram holds (RFC 768: a length of 16 bits,
// with the header's 8 octets and IPv4's 20).
const longest = 65507

// pumpLines sends each line as one datagram, without its line end. An empty line
// is an empty datagram.
func (s *session) pumpLines() error {
	r := bufio.NewReaderSize(s.In, longest+2)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("a line is longer than a datagram can be (%d bytes)", longest)
		}
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		} else if n == 0 && err != nil {
			line = nil
		}
		if line != nil {
			if bad := s.write(line); bad != nil {
				return bad
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
