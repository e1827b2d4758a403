package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/internal/listen"
)

// personality reads the flags of a service that is dialscope listen, as they are
// typed there.
func personality(flags []string) (o listen.Options, err error) {
	given := map[string]string{}
	for i := 0; i < len(flags); i++ {
		name, dashed := strings.CutPrefix(flags[i], "--")
		if !dashed {
			return o, at("flags", "%q: a flag of dialscope listen begins with --", flags[i])
		}
		value := ""
		switch name {
		case "udp", "speak-first", "silent", "echo", "discard", "never-read", "never-accept", "never-close", "close", "reset":
		case "welcome", "delay", "crash-after", "keepalive", "user-timeout", "backlog", "refuse-after":
			if i++; i == len(flags) {
				return o, at("flags", "--%s needs a value", name)
			}
			value = flags[i]
		default:
			return o, at("flags", "--%s: no flag of dialscope listen that a service can have", name)
		}
		given[name] = value
	}
	has := func(name string) bool { _, ok := given[name]; return ok }
	if one, other, why, found := listen.Conflict(has); found {
		return o, at("flags", "--%s and --%s exclude each other: %s", one, other, why)
	}
	o.Network = "tcp"
	if has("udp") {
		o.Network = "udp"
	}
	o.Greeting = given["welcome"]
	if has("speak-first") && o.Greeting == "" {
		o.Greeting = "220 ready"
	}
	o.NeverAccept = has("never-accept")
	switch {
	case has("echo"):
		o.Reading = listen.Echo
	case has("never-read"):
		o.Reading = listen.Never
	}
	switch {
	case has("never-close"):
		o.Ending = listen.NeverClose
	case has("close"):
		o.Ending = listen.CloseFirst
	case has("reset"):
		o.Ending = listen.ResetFirst
	}
	for name, d := range map[string]*time.Duration{"delay": &o.Delay, "crash-after": &o.CrashAfter, "user-timeout": &o.Alive.UserTimeout} {
		if has(name) {
			if *d, err = time.ParseDuration(given[name]); err != nil || *d <= 0 {
				return o, at("flags", "--%s %q: write 100ms", name, given[name])
			}
		}
	}
	if has("keepalive") {
		var idle, interval int
		if n, err := fmt.Sscanf(given["keepalive"], "%ds,%ds,%d", &idle, &interval, &o.Alive.Count); n != 3 || err != nil || idle < 1 || interval < 1 || o.Alive.Count < 1 {
			return o, at("flags", "--keepalive %q: write 1s,1s,2", given["keepalive"])
		}
		o.Alive.KeepAlive, o.Alive.Idle, o.Alive.Interval = true, time.Duration(idle)*time.Second, time.Duration(interval)*time.Second
	}
	for name, n := range map[string]*int{"backlog": &o.Backlog, "refuse-after": &o.RefuseAfter} {
		if has(name) {
			if *n, err = strconv.Atoi(given[name]); err != nil || *n < 0 {
				return o, at("flags", "--%s %q: no number", name, given[name])
			}
		}
	}
	o.SetBacklog = has("backlog")
	return o, nil
}
