package target

import (
	"net/url"
	"strings"
)

// parseURL takes host and port out of a URL. The rest of it (path, user,
// query) means nothing to a connection; a password is never repeated.
func parseURL(text, network string) (Target, error) {
	clean, whole := redacted(text)
	bad := func(reason, remedy string) (Target, error) {
		return Target{}, &Error{Input: clean, Reason: reason, Remedy: remedy}
	}
	u, err := url.Parse(strings.TrimPrefix(text, "jdbc:"))
	if err != nil {
		if _, port, err := portOf(text); err == nil && port != "" && whole {
			if _, err := parsePort(clean, port, network); err != nil {
				return Target{}, err
			}
		}
		return bad("this is no URL", "write scheme://HOST:PORT/ with one host, or HOST:PORT")
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme == "unix" || scheme == "file" {
		return bad("a "+scheme+" URL names no network host", "write HOST:PORT")
	}
	if u.Hostname() == "" {
		return bad("the URL names no host", "write "+u.Scheme+"://HOST/")
	}
	if strings.ContainsFunc(u.Hostname(), unwanted) {
		return bad("the URL's host is no host name", "write "+u.Scheme+"://HOST/ with one host")
	}
	host, err := checkHost(clean, u.Hostname())
	if err != nil {
		return Target{}, err
	}
	if u.Port() != "" {
		number, err := parsePort(clean, u.Port(), network)
		return Target{Host: host, Port: number}, err
	}
	number, known := schemePort(scheme, network)
	if !known {
		return bad("no port is known for the scheme "+shown(u.Scheme), "write "+u.Scheme+"://"+u.Host+":PORT/ or HOST:PORT")
	}
	return Target{Host: host, Port: number}, nil
}

// schemePort is the port of a URL without one: that of the service that bears
// the scheme's name, also for compound schemes ("postgresql+ssl", "git+ssh").
func schemePort(scheme, network string) (uint16, bool) {
	if port, known := schemes[scheme]; known {
		return port, true
	}
	if port, known := service(scheme, network); known {
		return port, true
	}
	first, last, compound := strings.Cut(scheme, "+")
	if !compound {
		return 0, false
	}
	if last == "ssh" {
		return service(last, network)
	}
	return schemePort(first, network)
}

// portOf finds what stands in the port's place of a URL that url.Parse refuses.
func portOf(text string) (host, port string, err error) {
	_, rest, _ := strings.Cut(text, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	return split(rest)
}

// redacted is a URL without its user and password. It is not whole where the
// password may hold an unescaped slash and all after the scheme is left out.
func redacted(text string) (clean string, whole bool) {
	scheme, rest, _ := strings.Cut(text, "://")
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	if strings.Contains(tail, "@") && strings.Contains(authority, ":") {
		return scheme + "://…", false
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	return scheme + "://" + authority + tail, true
}
