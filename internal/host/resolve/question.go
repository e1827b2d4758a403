package resolve

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// udpSize is the EDNS payload size that is offered: what Go offers, after
// https://dnsflagday.net/2020/.
const udpSize = 1232

// question is what a server is asked.
type question struct {
	name dnsmessage.Name
	typ  dnsmessage.Type
}

func newQuestion(name string, typ dnsmessage.Type) (question, error) {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) > 63 {
			return question{}, fmt.Errorf("the label %.20q… has %d octets, at most 63 are allowed (RFC 1035 §2.3.4)", label, len(label))
		}
	}
	n, err := dnsmessage.NewName(name)
	return question{n, typ}, err
}

// query packs the question with a fresh random id. Two octets in front are
// left for the length that TCP wants (RFC 1035 §4.2.2).
func (q question) query(edns, ad bool) (id uint16, packet []byte, err error) {
	var random [2]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	id = binary.BigEndian.Uint16(random[:])
	b := dnsmessage.NewBuilder(make([]byte, 2, 300), dnsmessage.Header{ID: id, RecursionDesired: true, AuthenticData: ad})
	if err = b.StartQuestions(); err != nil {
		return 0, nil, err
	}
	if err = b.Question(dnsmessage.Question{Name: q.name, Type: q.typ, Class: dnsmessage.ClassINET}); err != nil {
		return 0, nil, err
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err = h.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false); err != nil {
			return 0, nil, err
		}
		if err = b.StartAdditionals(); err != nil {
			return 0, nil, err
		}
		if err = b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return 0, nil, err
		}
	}
	if packet, err = b.Finish(); err != nil {
		return 0, nil, err
	}
	binary.BigEndian.PutUint16(packet, uint16(len(packet)-2))
	return id, packet, nil
}
