package resolve

import (
	"errors"
	"slices"
	"strings"
)

// nsswitch is the hosts line of nsswitch.conf(5): its sources in order.
type nsswitch struct {
	sources []string
	err     error // the file makes no sense: why
}

// parseNsswitch takes the sources of the hosts database. Criteria in brackets
// are checked for their form and otherwise passed over, as Go's resolver does
// when it may not ask libc.
func parseNsswitch(text []byte) *nsswitch {
	conf := new(nsswitch)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		database, sources, found := strings.Cut(line, ":")
		if !found {
			conf.err = errors.New("a line has no colon")
			return conf
		}
		names, err := parseSources(sources)
		if err != nil {
			conf.err = err
			return conf
		}
		if strings.TrimSpace(database) == "hosts" {
			conf.sources = append(conf.sources, names...)
		}
	}
	return conf
}

func parseSources(s string) (names []string, err error) {
	for {
		if s = strings.TrimSpace(s); s == "" {
			return names, nil
		}
		if s[0] == '[' {
			criteria, rest, closed := strings.Cut(s[1:], "]")
			if !closed {
				return nil, errors.New("a bracket is not closed")
			}
			for _, c := range fields(criteria) {
				if status, action, ok := strings.Cut(strings.TrimPrefix(c, "!"), "="); !ok || status == "" || action == "" {
					return nil, errors.New("a criterion is not STATUS=ACTION")
				}
			}
			s = rest
			continue
		}
		end := strings.IndexAny(s, " \t[")
		if end < 0 {
			end = len(s)
		}
		names = append(names, s[:end])
		s = s[end:]
	}
}

// order is what of the sources is asked, "files" and "dns", and what is not.
// When no source is dns, one that is not known stands for it, as in Go: the
// name may well be in the DNS ("resolve" is systemd-resolved's stub).
func (n *nsswitch) order() (asked, ignored []string) {
	if n.err != nil || len(n.sources) == 0 {
		return []string{"files", "dns"}, nil
	}
	hasDNS := slices.Contains(n.sources, "dns")
	for _, s := range n.sources {
		as := s
		if s != "files" && s != "dns" {
			if !slices.Contains(ignored, s) {
				ignored = append(ignored, s)
			}
			if hasDNS {
				continue
			}
			as = "dns"
		}
		if !slices.Contains(asked, as) {
			asked = append(asked, as)
		}
	}
	return asked, ignored
}
