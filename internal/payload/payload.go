// Package payload holds the datagrams that make services answer: for each
// service the smallest question that its specification says is answered, without
// a secret and without effect on the service. They are data: a new one is a row of
// the table with its reference.
package payload

import (
	"slices"
	"strings"
)

// Payload is one datagram and what to expect of it.
type Payload struct {
	Name      string   // as --payload and a report have it
	Service   string   // for a person
	Ports     []uint16 // that the service is registered for, or usually met on
	Data      []byte   // nil: there is no question that is answered; an empty datagram is sent, which can at least be refused
	Asks      string   // what the datagram asks
	Silence   string   // what no answer says of this service beyond what it always says; empty: nothing
	Reference string
}

// Empty is the payload for a port of which nothing is known.
var Empty = Payload{Name: "empty", Service: "any", Data: []byte{}, Asks: "nothing",
	Silence: "what serves this port is not known, so that an empty datagram was sent, which few services answer", Reference: "RFC 768"}

// For is the payload for a port; Empty where none is known.
func For(port uint16) Payload {
	for _, p := range table {
		if slices.Contains(p.Ports, port) {
			return p.clone()
		}
	}
	return Empty
}

// Named finds a payload by its name.
func Named(name string) (Payload, bool) {
	name = strings.ToLower(name)
	if name == Empty.Name {
		return Empty, true
	}
	for _, p := range table {
		if p.Name == name {
			return p.clone(), true
		}
	}
	return Payload{}, false
}

// Names lists all names in the order of the table.
func Names() []string {
	names := []string{Empty.Name}
	for _, p := range table {
		names = append(names, p.Name)
	}
	return names
}

// All is the table. The slices are the caller's.
func All() []Payload {
	all := []Payload{Empty}
	for _, p := range table {
		all = append(all, p.clone())
	}
	return all
}

// Datagram is what is sent: never nil.
func (p Payload) Datagram() []byte {
	if p.Data == nil {
		return []byte{}
	}
	return p.Data
}

func (p Payload) clone() Payload {
	p.Ports, p.Data = slices.Clone(p.Ports), slices.Clone(p.Data)
	return p
}
