package lab

import (
	"errors"
	"strings"
	"testing"

	"github.com/dialscope/dialscope/cause"
)

const bothEndsExample = `name: example
title: an example
teaches: Something.
topology: {chain: [1]}
services:
  - {on: server, at: "<server>:80", does: listen, flags: [--discard]}
dial: {command: talk, target: "<server>:80"}
truth: {cause: open, culprit: none, outcome: open}
listener:
  truth: {cause: peer-closed, culprit: destination <client>, outcome: closed, errno6: EPIPE}
  expect: {at_least: certain}
`

func TestParseListener(t *testing.T) {
	all, err := Parse("example.yaml", []byte(strings.Replace(bothEndsExample, "topology:", "families: [4, 6]\ntopology:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Truth{{Culprit: "destination 192.0.2.2"}, {Culprit: "destination 2001:db8::2", Errno: "EPIPE"}} {
		if got := all[i].Listener.Truth; got.Culprit != want.Culprit || got.Errno != want.Errno || got.Cause != cause.PeerClosed {
			t.Errorf("%+v", got)
		}
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"nobody listens", "does: listen, flags: [--discard]", "does: accept", "listener: there are 0 services that listen: it is about exactly one"},
		{"cause", "cause: peer-closed", "cause: gremlins", `listener.truth.cause: "gremlins" is no cause`},
		{"confidence", "at_least: certain", "at_least: sure", `listener.expect.at_least: "sure"`},
		{"datagrams of TCP", "  expect:", "  datagrams: none\n  expect:", "listener.datagrams: they are for a service with --udp"},
		{"a connection of UDP", "[--discard]", "[--udp]", "over UDP there is no connection that could end"},
		{"keepalive", "[--discard]", "[--keepalive, 1m]", `services[0].flags: --keepalive "1m": write 1s,1s,2`},
		{"user timeout", "[--discard]", "[--user-timeout, never]", `services[0].flags: --user-timeout "never"`},
		{"unknown key", "  expect:", "  expekt:", `unknown field "expekt"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(bothEndsExample, test.old, test.new, 1)
			if text == bothEndsExample {
				t.Fatal("nothing was changed")
			}
			_, err := Parse("example.yaml", []byte(text))
			var file *FileError
			if !errors.As(err, &file) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	udp := strings.Replace(bothEndsExample, "[--discard]", "[--udp, --echo]", 1)
	udp = udp[:strings.Index(udp, "listener:")] + "listener: {datagrams: "
	if _, err := Parse("example.yaml", []byte(udp+"answered}\n")); err != nil {
		t.Error(err)
	}
	if _, err := Parse("example.yaml", []byte(udp+"some}\n")); err == nil || !strings.Contains(err.Error(), `"some": write answered, received or none`) {
		t.Error(err)
	}
}

// The listening end's line is read as any program would read it, and what is
// wrong with it is wrong with the result.
func TestHear(t *testing.T) {
	all, err := Parse("example.yaml", []byte(bothEndsExample))
	if err != nil {
		t.Fatal(err)
	}
	line := `{"event":"ended","id":1,"peer":"192.0.2.2:4000","by":"peer","how":"FIN","outcome":"closed","cause":"peer-closed",` +
		`"culprit":{"kind":"destination","address":"192.0.2.2"},"confidence":"certain","alternatives":[],` +
		`"evidence":[{"at":5,"source":"read","kind":"end","by":"read","eof":true},{"at":5,"source":"tcp_info","kind":"flow","state":"CLOSE_WAIT"}]}`
	for _, test := range []struct {
		name, old, new string
		certain        bool
		want           string
	}{
		{"right", "", "", false, ""},
		{"another cause", `"cause":"peer-closed"`, `"cause":"peer-reset"`, true, "the listening end: certain, and wrong: it is peer-closed"},
		{"not sure enough", `"certain"`, `"likely"`, false, "the listening end: the evidence is worth certain"},
		{"the evidence says otherwise", `"CLOSE_WAIT"`, `"CLOSE"`, false, "the listening end: the stored evidence is judged otherwise: peer-closed (likely)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &Result{}
			if err := r.hear(all[0], []byte(strings.Replace(line, test.old, test.new, 1))); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.Defects, "\n"); r.WrongCertain != test.certain || test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("%v %q", r.WrongCertain, got)
			}
		})
	}
	if err := new(Result).hear(all[0], []byte("{")); err == nil {
		t.Error("half a line was read")
	}
}

func TestCounted(t *testing.T) {
	for _, test := range []struct {
		datagrams, answers uint64
		want               Datagrams
	}{{0, 0, DatagramsNone}, {2, 0, DatagramsReceived}, {2, 1, DatagramsAnswered}} {
		if got := counted(test.datagrams, test.answers); got != test.want {
			t.Errorf("%d, %d: %s", test.datagrams, test.answers, got)
		}
	}
	s := &Scenario{Listener: &Listening{Datagrams: DatagramsAnswered}}
	r := &Result{}
	if r.count(s, DatagramsNone); r.Good() || r.Listener.Judgement.Good() {
		t.Errorf("%+v", r)
	}
	r = &Result{}
	if r.count(s, DatagramsAnswered); !r.Good() {
		t.Errorf("%+v", r)
	}
}
