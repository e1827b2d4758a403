package resolve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/dialscope/dialscope/evidence"
)

// service reads the parameters of one SVCB or HTTPS record (RFC 9460 §7). An
// error says that the record is malformed, which spoils its whole set (§2.2).
func service(r *dnsmessage.SVCBResource) (evidence.Service, error) {
	s := evidence.Service{Priority: r.Priority, Target: printableName(r.Target)}
	if r.Priority == 0 {
		return s, nil // §2.4.2: an alias; its parameters mean nothing
	}
	var mandatory []byte
	for _, p := range r.Params {
		var err error
		switch p.Key {
		case dnsmessage.SVCParamMandatory:
			mandatory = p.Value
			if len(mandatory) == 0 || len(mandatory)%2 != 0 {
				err = errors.New("mandatory is no list of keys (RFC 9460 §8)")
			}
		case dnsmessage.SVCParamALPN:
			s.ALPN, err = alpn(p.Value)
		case dnsmessage.SVCParamPort:
			if len(p.Value) != 2 {
				err = errors.New("port is not two octets long (RFC 9460 §7.2)")
				break
			}
			s.Port = binary.BigEndian.Uint16(p.Value)
		case dnsmessage.SVCParamIPv4Hint:
			s.Hints, err = hints(s.Hints, p.Value, 4)
		case dnsmessage.SVCParamIPv6Hint:
			s.Hints, err = hints(s.Hints, p.Value, 16)
		case dnsmessage.SVCParamECH:
			s.ECH = true
		}
		if err != nil {
			return evidence.Service{}, err
		}
	}
	for ; len(mandatory) >= 2; mandatory = mandatory[2:] {
		key := dnsmessage.SVCParamKey(binary.BigEndian.Uint16(mandatory))
		if _, ok := r.GetParam(key); !ok {
			return evidence.Service{}, fmt.Errorf("mandatory key%d is missing (RFC 9460 §8)", uint16(key))
		}
		if key > dnsmessage.SVCParamIPv6Hint && s.Ignored == "" {
			s.Ignored = fmt.Sprintf("mandatory key%d is not understood (RFC 9460 §8)", uint16(key))
		}
	}
	return s, nil
}

// alpn reads length-prefixed protocol ids (RFC 9460 §7.1.1).
func alpn(b []byte) (ids []string, err error) {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || n > len(b)-1 {
			return nil, errors.New("alpn holds an empty or cut off id (RFC 9460 §7.1.1)")
		}
		ids = append(ids, printable(b[1:1+n], n))
		b = b[1+n:]
	}
	if len(ids) == 0 {
		return nil, errors.New("alpn is empty (RFC 9460 §7.1.1)")
	}
	return ids, nil
}

// hints reads addresses of size octets each (RFC 9460 §7.3).
func hints(into []netip.Addr, b []byte, size int) ([]netip.Addr, error) {
	if len(b) == 0 || len(b)%size != 0 {
		return nil, errors.New("an address hint is empty or cut off (RFC 9460 §7.3)")
	}
	for ; len(b) > 0; b = b[size:] {
		a, _ := netip.AddrFromSlice(b[:size])
		into = append(into, a.Unmap())
	}
	return into, nil
}
