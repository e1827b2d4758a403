package target

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/dialscope/dialscope/cause"
)

// schemes are URL schemes that no service is named after.
var schemes = map[string]uint16{
	"ws": 80, "wss": 443, "h2c": 80, "h2": 443,
	"socks": 1080, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080,
	"doh": 443, "dot": 853, "tls": 443, "git+https": 443, "svn+ssh": 22,
}

// services are the names that people write and that many a services(5) lacks.
// Those registered are IANA's; the others are the software's own default port.
var services = map[string]uint16{
	"amqp": 5672, "amqps": 5671, "bgp": 179, "cassandra": 9042, "clickhouse": 9000,
	"consul": 8500, "dns": 53, "docker": 2375, "domain": 53, "domain-s": 853,
	"elasticsearch": 9200, "etcd": 2379, "ftp": 21, "ftps": 990, "git": 9418,
	"http": 80, "http-alt": 8080, "https": 443, "imap": 143, "imaps": 993,
	"influxdb": 8086, "ipp": 631, "ipps": 631, "irc": 6667, "ircs": 6697,
	"iscsi": 3260, "kafka": 9092, "kerberos": 88, "kubernetes": 6443, "ldap": 389,
	"ldaps": 636, "memcache": 11211, "memcached": 11211, "mongodb": 27017, "mqtt": 1883,
	"mqtts": 8883, "ms-sql-s": 1433, "mssql": 1433, "mysql": 3306, "nats": 4222,
	"nfs": 2049, "ntp": 123, "oracle": 1521, "pop3": 110, "pop3s": 995,
	"postgres": 5432, "postgresql": 5432, "prometheus": 9090, "rdp": 3389, "redis": 6379,
	"rediss": 6379, "rsync": 873, "rtsp": 554, "sftp": 22, "sip": 5060, "sips": 5061,
	"smb": 445, "smtp": 25, "smtps": 465, "snmp": 161, "sqlserver": 1433,
	"ssh": 22, "submission": 587, "submissions": 465, "svn": 3690, "syslog": 514,
	"telnet": 23, "vault": 8200, "vnc": 5900, "whois": 43, "xmpp-client": 5222,
	"xmpp-server": 5269, "zookeeper": 2181,
}

// Services lists the names of the built-in table in order, for completion.
func Services() []string {
	names := make([]string, 0, len(services))
	for name := range services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// service is the port of a service by name.
func service(name, network string) (uint16, bool) {
	name = strings.ToLower(name)
	if port, err := net.LookupPort(network, name); err == nil {
		return uint16(port), true
	}
	port, known := services[name]
	return port, known
}

// parsePort reads a port number or a service name. Port 0 is let through: the
// kernel really sends that SYN, and what becomes of it is the report's to say.
func parsePort(input, text, network string) (uint16, error) {
	bad := func(reason, remedy string) (uint16, error) {
		return 0, &Error{Input: input, Reason: reason, Remedy: remedy}
	}
	if text == "" {
		return bad("a port is missing", "dialscope "+strings.TrimSuffix(input, ":")+":443")
	}
	if digits := strings.TrimLeft(text, "+-"); digits != "" && strings.Trim(digits, "0123456789") == "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return bad("the port is out of range", "ports go from 0 to 65535")
		}
		return uint16(port), nil
	}
	if number, rest, slash := strings.Cut(text, "/"); slash {
		if rest == "tcp" || rest == "udp" {
			return bad("the port ends in /"+rest, "write "+strings.TrimSuffix(input, "/"+rest)+" and --network "+rest)
		}
		return bad("a path follows the port "+number, "remove it, or write a whole URL with its scheme")
	}
	port, known := service(text, network)
	if !known {
		remedy := "write the port as a number"
		if near := nearest(text); near != "" {
			remedy = "did you mean " + near + "? Or " + remedy
		}
		return bad("no service is called "+shown(text), remedy)
	}
	return port, nil
}

// nearest is the built-in service whose name is at most two edits away.
func nearest(name string) string {
	best, distance := "", 3
	for _, candidate := range Services() {
		if d := cause.Distance(strings.ToLower(name), candidate); d < distance && d < len(candidate)/2 {
			best, distance = candidate, d
		}
	}
	return best
}
