package resolve

import (
	"slices"
	"strings"
	"testing"
)

func TestNsswitchOrder(t *testing.T) {
	for text, want := range map[string]struct{ asked, ignored string }{
		"":                           {"files dns", ""},
		"passwd: files sss\n":        {"files dns", ""},
		"hosts:\n":                   {"files dns", ""},
		"hosts: files dns\n":         {"files dns", ""},
		"hosts: dns files\n":         {"dns files", ""},
		"hosts:files":                {"files", ""},
		" hosts :\tdns # all\n":      {"dns", ""},
		"hosts: files dns files dns": {"files dns", ""},
		"hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname": {"files dns", "mdns4_minimal myhostname"},
		"hosts: mymachines resolve [!UNAVAIL=return] files dns":       {"files dns", "mymachines resolve"},
		// No dns: a source that is not known may well lead there, as Go takes it.
		"hosts: files resolve": {"files dns", "resolve"},
		"hosts: sss files":     {"dns files", "sss"},
		"hosts: ldap":          {"dns", "ldap"},
		"hosts: files dns [SUCCESS=return foo=bar] wins": {"files dns", "wins"},
		// Broken: the default.
		"hosts files dns":             {"files dns", ""},
		"hosts: dns [NOTFOUND":        {"files dns", ""},
		"hosts: dns [NOTFOUND] files": {"files dns", ""},
		"hosts: dns\nnonsense\n":      {"files dns", ""},
	} {
		asked, ignored := parseNsswitch([]byte(text)).order()
		if !slices.Equal(asked, strings.Fields(want.asked)) || !slices.Equal(ignored, strings.Fields(want.ignored)) {
			t.Errorf("%q: %q without %q, want %+v", text, asked, ignored, want)
		}
	}
}

func FuzzNsswitch(f *testing.F) {
	f.Add([]byte("hosts: files mdns4_minimal [NOTFOUND=return] dns\n"))
	f.Add([]byte("hosts: [a=b]dns[!c=d]files\nnetworks: files"))
	f.Add([]byte("hosts: ]["))
	f.Fuzz(func(t *testing.T, text []byte) {
		asked, _ := parseNsswitch(text).order()
		if len(asked) < 1 || len(asked) > 2 || len(asked) == 2 && asked[0] == asked[1] {
			t.Errorf("order %q", asked)
		}
		for _, s := range asked {
			if s != "files" && s != "dns" {
				t.Errorf("order %q", asked)
			}
		}
	})
}
