// Command bench measures dialscope beside what else opens connections, on
// loopback and across a veth pair between two network namespaces that it makes
// itself. `scripts/bench dial` and `scripts/bench sweep` run it.
//
// Every comparison is interleaved: the contestants take turns within a round,
// in another order each round, and each figure is the median over rounds with the
// smallest and largest beside it. Everyone closes with SO_LINGER {1,0}, outside
// the measured time, so that no TIME_WAIT of one takes a port from the next.
package main

import (
	"fmt"
	"os"
)

const usage = `usage: scripts/bench dial [-rounds N] [-dials N] [-leave N] [-quick]
       scripts/bench evidence [-rounds N] [-dials N] [-quick]
       scripts/bench read [-rounds N] [-packets N] [-small N] [-flood N]
       scripts/bench sweep [-rounds N] [-bits N] [-quick] [WORKLOAD...]
       scripts/bench listen [-connections N] [-resets N] [-rounds N] [-batch N] [-held N] [-quick]
       scripts/bench talk [-size N] [-rounds N] [-quick] [sending] [receiving] [both]
       scripts/bench watch [-rounds N] [-connects N] [-rate N] [-loads N]
       scripts/bench sockets [-rounds N] [-connections N]
       scripts/bench attribution [-timeout D] [-md FILE] [SCENARIO...]

dial  Dialer.DialReport beside net.Dialer and a C program, alone and a thousand
      at once; what 100,000 dials leave behind; the binary beside nc and curl
evidence what a dial's own packets and the kernel's events cost it, each
      beside a dial that gathers neither
read  dialscope read beside tcpdump, tshark and tcptrace on the same captures
sweep dialscope sweep beside C by epoll and by io_uring, goroutines around
      net.Dialer, nmap and naabu: refused, open, mixed, silent and lossy
      targets; silent-million where it is named
listen dialscope listen beside package net; a million short connections, a
      part of them reset, counted; more connections than descriptors
talk  dialscope talk beside nc, ncat and socat: a GiB through pipes, in either
      direction and both at once
watch a load of connections alone, and beside dialscope watch and bpftrace: what
      each costs, and how much of it each sees
sockets  dialscope sockets beside ss and netstat, with many sockets
attribution dialscope beside nmap, tcptraceroute, mtr and hping3 in scenarios
      of the lab: who names the cause and the culprit, and how long that takes
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	var err error
	switch name, args := os.Args[1], os.Args[2:]; name {
	case "dial":
		err = orchestrate(args)
	case "read":
		err = read(args)
	case "sweep":
		err = orchestrateSweep(args)
	case "listen":
		err = storm(args)
	case "stormclient": // a client of listen
		err = stormClientMain(args)
	case "stormhold": // another, that holds its connections
		err = stormHold(args)
	case "goserve": // what listen is compared with
		err = goServe(args)
	case "limited": // a server of listen with few descriptors
		err = limited(args)
	case "attribution":
		err = attribution(args)
	case "watch":
		err = watchBench(args)
	case "talk":
		err = talkBench(args)
	case "talksource": // writes into the pipe of a contestant of talk
		err = talkSource(args)
	case "talksink": // reads out of it
		err = talkSink(args)
	case "talkpeer": // is at the connection's other end
		err = talkPeer(args)
	case "sockets":
		err = socketsBench(args)
	case "holdsockets": // what is listed, started by sockets
		err = holdSockets(args)
	case "connects": // the load, started by watch
		err = connectsLoad(args)
	case "sweepclient": // in the client's namespace, started by sweep
		err = sweepClient(args)
	case "netdial": // a contestant of sweep
		err = netDial(args)
	case "evidence":
		err = orchestrateEvidence(args)
	case "evidenceclient": // in the client's namespace, started by evidence
		err = evidenceClient(args)
	case "client": // in the client's namespace, started by dial
		err = client(args)
	case "serve": // in the server's namespace, started by dial
		err = serve(args)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(64)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
