package results

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dialscope/dialscope/cause"
)

// xmlWriter writes what nmap's -oX does. Its readers take each host element for
// another host, so the ports of an address are kept until all of them are
// known; beyond xmlMost of them what is kept is written, and an address may
// then have several elements.
type xmlWriter struct {
	*bufio.Writer
	began      time.Time
	ports      []xmlPort
	up, unsure int
}

const xmlMost = 1 << 20

// xmlPort is what nmap's XML says of a port.
type xmlPort struct {
	at            netip.AddrPort
	name          string
	state, reason string
	cause         cause.ID
	banner        string
	latency       time.Duration
	up            bool
}

func newXML(w *bufio.Writer) (Writer, error) {
	x := &xmlWriter{Writer: w, began: time.Now()}
	_, err := fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="dialscope" args="dialscope sweep" start="%d" version="1" xmloutputversion="1.05">
<scaninfo type="connect" protocol="tcp" numservices="0" services=""/>
`, x.began.Unix())
	return x, err
}

// nmapState gives nmap's word for a port and its reason (nmap's reason codes).
func nmapState(r *Record) (state, reason string) {
	switch r.Outcome {
	case cause.Open:
		return "open", "syn-ack"
	case cause.Closed, cause.Reset:
		return "open", "reset"
	case cause.Refused:
		if r.ICMP.Version == 0 {
			return "closed", "conn-refused"
		}
		return "filtered", "port-unreach"
	case cause.Timeout:
		return "filtered", "no-response"
	case cause.Denied:
		return "filtered", "admin-prohibited"
	}
	return "filtered", "host-unreach"
}

func (x *xmlWriter) Write(r *Record) error {
	if !r.Addr.Addr().IsValid() {
		return nil
	}
	p := xmlPort{at: r.Addr, name: r.Name, cause: r.Cause, banner: r.Banner, latency: r.Latency}
	p.state, p.reason = nmapState(r)
	p.up = r.Outcome == cause.Open || r.Outcome == cause.Refused && r.ICMP.Version == 0
	x.ports = append(x.ports, p)
	if len(x.ports) < xmlMost {
		return nil
	}
	return x.flush()
}

// flush writes the ports that are kept, each address with all of its own.
func (x *xmlWriter) flush() error {
	slices.SortFunc(x.ports, func(a, b xmlPort) int {
		return cmp.Or(a.at.Addr().Compare(b.at.Addr()), cmp.Compare(a.at.Port(), b.at.Port()))
	})
	var err error
	for len(x.ports) > 0 {
		n := 1
		for n < len(x.ports) && x.ports[n].at.Addr() == x.ports[0].at.Addr() {
			n++
		}
		err = x.host(x.ports[:n])
		x.ports = x.ports[n:]
	}
	x.ports = nil
	return err
}

func (x *xmlWriter) host(ports []xmlPort) error {
	// The host is what the port says that proves most.
	told := &ports[0]
	for i := range ports {
		if ports[i].up {
			told = &ports[i]
			break
		}
	}
	state := "unknown"
	if told.up {
		state = "up"
		x.up++
	} else {
		x.unsure++
	}
	family, addr := "ipv4", told.at.Addr()
	if addr.Is6() {
		family = "ipv6"
	}
	fmt.Fprintf(x.Writer, `<host><status state="%s" reason="%s" reason_ttl="0"/><address addr="%s" addrtype="%s"/>`, state, told.reason, addr, family)
	if told.name != "" {
		x.WriteString(`<hostnames><hostname name="`)
		xml.EscapeText(x.Writer, []byte(told.name))
		x.WriteString(`" type="user"/></hostnames>`)
	}
	x.WriteString("<ports>\n")
	for i := range ports {
		p := &ports[i]
		fmt.Fprintf(x.Writer, `<port protocol="tcp" portid="%d"><state state="%s" reason="%s" reason_ttl="0"/>`, p.at.Port(), p.state, p.reason)
		fmt.Fprintf(x.Writer, `<script id="dialscope" output="%s"/>`, p.cause)
		if p.banner != "" {
			x.WriteString(`<script id="banner" output="`)
			xml.EscapeText(x.Writer, []byte(escape(p.banner)))
			x.WriteString(`"/>`)
		}
		x.WriteString("</port>\n")
	}
	_, err := fmt.Fprintf(x.Writer, "</ports><times srtt=\"%d\" rttvar=\"0\" to=\"0\"/></host>\n", told.latency.Microseconds())
	return err
}

func (x *xmlWriter) Close() error {
	if err := x.flush(); err != nil {
		return err
	}
	now := time.Now()
	_, err := fmt.Fprintf(x.Writer, `<runstats><finished time="%d" timestr="%s" elapsed="%.2f" exit="success"/><hosts up="%d" down="0" total="%d"/></runstats>
</nmaprun>
`, now.Unix(), now.UTC().Format(time.ANSIC), now.Sub(x.began).Seconds(), x.up, x.up+x.unsure)
	return err
}
