package peer_test

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestOpen(t *testing.T) {
	t.Parallel()
	s := perform(t, `
		host 192.0.2.1 ttl 64
		expect SYN port 80 within 5s
		after 50ms send SYN+ACK mss 1460 wscale 7 window 65535 ack +1
		expect ACK
		end`)
	s.connect("192.0.2.1:80", patience).want(t, 0, 50*ms, 500*ms)
	s.played()
}
