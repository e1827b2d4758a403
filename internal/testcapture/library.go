package testcapture

// Scripts that several packages' tests use.
const (
	Open = `
0      > S 0 mss 1460 wscale 7 sack ts
0.010  < S. 0 ack 1 mss 1400 wscale 8 sack
0.0101 > . 1 ack 1
0.011  > P. 1:41 ack 1
0.022  < . 1 ack 41
0.023  < P. 1:101 ack 41
0.0231 > . 41 ack 101
0.030  > F. 41 ack 101
0.041  < F. 101 ack 42
0.0411 > . 42 ack 102
`
	Refused = `
0     > S 0 mss 1460
0.005 < R. 0 ack 1 win 0
`
	Silent = `
0 > S 0 mss 1460
1 > S 0 mss 1460
3 > S 0 mss 1460
`
	Prohibited = `
0     > S 0 mss 1460
0.004 ! icmp 3 13 from 192.0.2.7 seq 0
`
	Lost = `
0     > S 0 mss 1460
1     > S 0 mss 1460
1.010 < S. 0 ack 1 mss 1460
1.011 > . 1 ack 1
1.020 > F. 1 ack 1
1.030 < F. 1 ack 2
1.031 > . 2 ack 2
`
	AcceptedThenReset = `
0     > S 0 mss 1460
0.010 < S. 0 ack 1 mss 1460
0.011 > . 1 ack 1
0.012 < R. 1 ack 1
`
	AcceptedThenClosed = `
0     > S 0 mss 1460
0.010 < S. 0 ack 1 mss 1460
0.011 > . 1 ack 1
0.012 < F. 1 ack 1
0.013 > F. 1 ack 2
0.023 < . 2 ack 2
`
	ForgedReset = `
0     > S 0 mss 1460
0.010 < S. 0 ack 1 mss 1460
0.011 > . 1 ack 1
0.012 > P. 1:101 ack 1
0.015 < R 1 ttl 49
0.022 < P. 1:201 ack 101
`
)
