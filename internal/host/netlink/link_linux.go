package netlink

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/host/sys"
)

// Values of linux/if_link.h and linux/if.h that package syscall lacks.
const (
	iflaStats64  = 23 // IFLA_STATS64
	iflaExtMask  = 29 // IFLA_EXT_MASK
	iflaAltName  = 53 // IFLA_ALT_IFNAME, Linux 5.5
	iflaInfoKind = 1  // IFLA_INFO_KIND
	iffLowerUp   = 1 << 16
	skipStats    = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	maxName      = 15     // IFNAMSIZ - 1
)

// operStates names IFLA_OPERSTATE (RFC 2863 ifOperStatus, linux/if.h).
var operStates = [...]string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

// LinkByName looks up an interface by its name or alternative name. One that
// does not exist is a result: Exists is false.
func LinkByName(name string) (*evidence.Link, error) {
	if name == "" {
		return nil, fmt.Errorf("link without a name: %w", os.ErrInvalid)
	}
	return lookupLink(0, name)
}

// LinkByIndex looks up an interface by its index. One that does not exist is a
// result: Exists is false.
func LinkByIndex(index int) (*evidence.Link, error) {
	if index <= 0 {
		return nil, fmt.Errorf("link index %d: %w", index, os.ErrInvalid)
	}
	return lookupLink(index, "")
}

// interfaceIndex turns a name, or an index in decimal as a zone may be written
// (RFC 4007 §11.2), into an index. "" is interface 0: any.
func interfaceIndex(name string) (index int, exists bool, err error) {
	if name == "" {
		return 0, true, nil
	}
	link, err := LinkByName(name)
	switch {
	case err != nil:
		return 0, false, err
	case link.Exists:
		return link.Index, true, nil
	}
	index, err = strconv.Atoi(name)
	return index, err == nil && index > 0, nil
}

func lookupLink(index int, name string) (*evidence.Link, error) {
	c, err := sys.OpenNetlink(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", linkLabel(index, name), err)
	}
	defer c.Close()
	link, err := askLink(c, index, name)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", linkLabel(index, name), err)
	}
	return link, nil
}

func linkLabel(index int, name string) string {
	if name != "" {
		return name
	}
	return fmt.Sprint("index ", index)
}

func askLink(c *sys.Netlink, index int, name string) (*evidence.Link, error) {
	link := &evidence.Link{Name: name, Index: index}
	body := appendAttr32(linkRequest(index, name), iflaExtMask, skipStats)
	err := c.Ask(syscall.RTM_GETLINK, 0, body, func(_ uint16, payload []byte) bool {
		parseLink(payload, link)
		return false
	})
	if noSuchLink(err, name) {
		return link, nil
	}
	return link, err
}

// noSuchLink tells "not there" from a failed question. A name that is too long
// for any interface is refused as an invalid attribute (ERANGE, EINVAL).
func noSuchLink(err error, name string) bool {
	return err == syscall.ENODEV || len(name) > maxName && (err == syscall.ERANGE || err == syscall.EINVAL)
}

// linkRequest builds a struct ifinfomsg that asks for one interface.
func linkRequest(index int, name string) []byte {
	b := make([]byte, syscall.SizeofIfInfomsg, 64)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	switch {
	case name == "":
		return b
	case len(name) > maxName:
		return appendAttr(b, iflaAltName, append([]byte(name), 0))
	}
	return appendAttr(b, syscall.IFLA_IFNAME, append([]byte(name), 0))
}

// parseLink reads the payload of an RTM_NEWLINK message.
func parseLink(b []byte, link *evidence.Link) bool {
	if len(b) < syscall.SizeofIfInfomsg {
		return false
	}
	flags := binary.NativeEndian.Uint32(b[8:])
	link.Exists = true
	link.Index = int(int32(binary.NativeEndian.Uint32(b[4:])))
	link.Up = flags&syscall.IFF_UP != 0
	link.Carrier = flags&iffLowerUp != 0
	link.Loopback = flags&syscall.IFF_LOOPBACK != 0
	for typ, v := range attrs(b[syscall.SizeofIfInfomsg:]) {
		switch typ {
		case syscall.IFLA_IFNAME:
			link.Name = text(v)
		case syscall.IFLA_MTU:
			link.MTU = int(word(v))
		case syscall.IFLA_OPERSTATE:
			if len(v) > 0 && int(v[0]) < len(operStates) {
				link.Oper = operStates[v[0]]
			}
		case syscall.IFLA_LINKINFO:
			for info, value := range attrs(v) {
				if info == iflaInfoKind {
					link.Type = text(value)
				}
			}
		}
	}
	return true
}
