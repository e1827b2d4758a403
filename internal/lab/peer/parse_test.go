package peer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/internal/lab/peer"
)

// Everything that the language has, in one script.
const everything = `
# comment
router 198.51.100.1 2001:db8:1::1 ttl 64 rtt 5ms silent rate 1/s mtu 1400 ipid zero
router 198.51.100.2 ipid 7 rate 5/100ms
host 192.0.2.1 2001:db8::1 ttl 128 ipid count rtt 1.5ms   # and behind a statement
idle reset ; idle ignore
on SYN+ECE+CWR port 80 drop
on SYN port 80 client-port 1024 to 192.0.2.1 ttl 64 tos 0x10 longer 40 len 0 without ECE seq isn ack 0 option mss no-option 34 first 2 rate 1/s ignore
on any at 198.51.100.1 forward
on data at 198.51.100.2 send icmp 3/13 quote 8 quote none quote seq -1 quote port 1 quote client-port 2 quote from 192.0.2.9 quote to 192.0.2.8
on echo { after 1ms send echo-reply
  send echo-reply }
on icmp host-unreachable ignore
on tcp port 9 { drop }
expect SYN port 80 within 5s
expect NONE within 900ms..1.2s
expect no udp port 53 for 10ms
ignore 1 SYN
ignore ACK+PSH len 3
after 50ms send SYN+ACK mss 1460 wscale 7 sack nop ts window 65535 ack +1
send SYN+ACK options none
send SYN+ACK options 020405b4
send ACK ts 5 seq isn+1
send ACK ts -1000 7 tfo md5 00ff tfo c0ffee option 253 f00d option mptcp
send NONE seq 0xffffffff ack -5 urgent 9 tos 3 ipid 0 ttl 0 hop 3 may-fragment
send data "text \"\\\n\r\t\0 # no comment" twice
send data 1000 times 3
send ACK data hex 00 cut 1 data-offset 15 bad-checksum ip bad-checksum tcp
send udp data "x" bad-checksum udp from 192.0.2.9 port 5 client-port 6
send icmp packet-too-big mtu 1280 bad-checksum icmp
send icmp parameter-problem pointer 6
send SYN to [2001:db8::2]:80 port 1
send raw 4500
wait 1s
repeat 2 { repeat 3 { expect SYN }; send RST }
reversed { send data "a"; send data "b" }
end
`

func TestParseEverything(t *testing.T) {
	if _, err := peer.Parse(everything); err != nil {
		t.Error(err)
	}
	windows := strings.ReplaceAll(everything, "\n", "\r\n")
	if _, err := peer.Parse(windows); err != nil {
		t.Error(err)
	}
}

// An error names the line and the word.
func TestParseErrors(t *testing.T) {
	const host = "host 192.0.2.1\n"
	for _, c := range []struct {
		script, token string
		line          int
		why           string // part of it
	}{
		{"", "", 1, "no host"},
		{"# nothing\n\nexpect SYN", "", 3, "no host"},
		{"host", "", 1, "an address is wanted"},
		{"host 192.0.2", "192.0.2", 1, "an address is wanted"},
		{"host 192.0.2.1 192.0.2.1 tll 5", "tll", 1, "unknown word"},
		{host + "host 192.0.2.1", "192.0.2.1", 2, "taken"},
		{host + "router 198.51.100.1", "router", 2, "before the hosts"},
		{"host 192.0.2.1 silent", "silent", 1, "unknown word"},
		{"host 192.0.2.1 ttl 256", "256", 1, "from 1 to 255"},
		{"host 192.0.2.1 rtt 5", "5", 1, "a duration is wanted"},
		{"host 192.0.2.1 rtt -5ms", "-5ms", 1, "a duration is wanted"},
		{"router 192.0.2.9 rate 0/s\n" + host, "0/s", 1, "a rate is wanted"},
		{"router 192.0.2.9 rate 1\n" + host, "1", 1, "a rate is wanted"},
		{"router 192.0.2.9 rate 1/\n" + host, "1/", 1, "a rate is wanted"},
		{host + "idle now", "now", 2, "idle ignore"},
		{host + "\nexpct SYN", "expct", 3, "unknown statement"},
		{host + "\"expect\" SYN", "\"expect\"", 2, "unknown statement"},
		{host + "expect", "", 2, "a packet is wanted"},
		{host + "expect syn", "syn", 2, "a packet is wanted"},
		{host + "expect SYN+", "SYN+", 2, "a packet is wanted"},
		{host + "expect SYN port", "", 2, "from 0 to 65535"},
		{host + "expect SYN port 65536", "65536", 2, "from 0 to 65535"},
		{host + "expect SYN port \"80\"", "\"80\"", 2, "from 0 to 65535"},
		{host + "expect SYN within 2s..1s", "2s..1s", 2, "a time is wanted"},
		{host + "expect SYN soon", "soon", 2, "not expected here"},
		{host + "expect SYN first 1", "first", 2, "not expected here"},
		{host + "expect no SYN", "", 2, "\"for\""},
		{host + "expect no SYN within 1s", "within", 2, "\"for\""},
		{host + "expect icmp broken", "broken", 2, "an ICMP message"},
		{host + "expect icmp 300/1", "300/1", 2, "an ICMP message"},
		{host + "expect SYN option 1", "1", 2, "from 2 to 255"},
		{host + "expect SYN without nothing", "nothing", 2, "flags are wanted"},
		{host + "expect SYN seq isn5", "isn5", 2, "a number is wanted"},
		{host + "ignore 0 SYN", "0", 2, "from 1"},
		{host + "after 50ms expect SYN", "expect", 2, "\"send\" is wanted"},
		{host + "after soon send SYN", "soon", 2, "a duration is wanted"},
		{host + "send", "", 2, "what to send"},
		{host + "send SYN mss", "", 2, "from 0 to 65535"},
		{host + "send SYN ack one", "one", 2, "a number is wanted"},
		{host + "send SYN ack 4294967296", "4294967296", 2, "a number is wanted"},
		{host + "send SYN frobnicate", "frobnicate", 2, "unknown word"},
		{host + "send SYN options 0", "0", 2, "hexadecimal"},
		{host + "send SYN hop 2", "2", 2, "from 1 to 1"},
		{host + "send SYN to 192.0.2.2", "192.0.2.2", 2, "an address and port"},
		{host + "send SYN from nobody", "nobody", 2, "an address is wanted"},
		{host + "send SYN bad-checksum sctp", "sctp", 2, "bad-checksum"},
		{host + "send data", "", 2, "from 0"},
		{host + "send data \"open", "\"open", 2, "text without an end"},
		{host + "send data \"\\x\"", "\"\\x\"", 2, "unknown escape"},
		{host + "send data \"\\", "\"\\", 2, "text without an end"},
		{host + "send raw xyz", "xyz", 2, "hexadecimal"},
		{host + "wait", "", 2, "a duration is wanted"},
		{host + "wait 25h", "25h", 2, "a duration is wanted"},
		{host + "repeat 2 expect SYN", "expect", 2, "{ is wanted"},
		{host + "repeat 2 {\n\n", "{", 2, "without its }"},
		{host + "repeat 2 { }", "{", 2, "nothing between"},
		{host + "repeat 2 {\nexpect SYN }\n}", "}", 4, "unknown statement"},
		{host + "reversed { after 1ms send SYN }", "after", 2, "only sends"},
		{host + "end\nexpect SYN", "expect", 3, "after \"end\""},
		{host + "on SYN", "", 2, "an action is wanted"},
		{host + "on SYN expect ACK", "expect", 2, "an action is wanted"},
		{host + "on SYN forward", "forward", 2, "only a router"},
		{host + "on SYN at 192.0.2.1 drop", "192.0.2.1", 2, "no router"},
		{host + "on SYN { send RST\ndrop }", "on", 2, "one of the three"},
	} {
		_, err := peer.Parse(c.script)
		var bad *peer.SyntaxError
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v", c.script, err)
			continue
		}
		if bad.Line != c.line || bad.Token != c.token || !strings.Contains(bad.Why, c.why) {
			t.Errorf("%q: %v, want line %d, %q, %s", c.script, err, c.line, c.token, c.why)
		}
	}
}

// FuzzParse: no text breaks the parser, and an error lies within the text.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	for line := range strings.Lines(everything) {
		f.Add("host 192.0.2.1\n" + line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		script, err := peer.Parse(text)
		var bad *peer.SyntaxError
		switch {
		case err == nil && len(script.Addrs()) == 0:
			t.Error("a script without a host")
		case err != nil && (!errors.As(err, &bad) || bad.Line < 1 || bad.Line > strings.Count(text, "\n")+1):
			t.Errorf("%v", err)
		}
	})
}
