package frame

import (
	"fmt"
	"strings"
)

// A layer is one wrapping between the link and the packet: a tag, a label, a
// tunnel. The low 24 bits hold its number, where it has one.
type layer uint32

const (
	layerVLAN layer = (iota + 1) << 24
	layerMPLS
	layerPPPoE
	layerGRE
	layerERSPAN
	layerVXLAN
	layerGeneve
	layerGTP
	layerTeredo
	layerIPv6inIPv4
	layerIPv4inIPv4
	layerIPv6inIPv6
	layerIPv4inIPv6
	layerFabricPath
	layerBackbone
	layerVNTag
	layerNSH
	layerEtherIP
	layerAYIYA
	layerL2TP
)

var layerNames = [...]string{
	"", "VLAN", "MPLS", "PPPoE session", "GRE", "ERSPAN", "VXLAN", "Geneve", "GTP-U", "Teredo",
	"6in4", "IP in IP", "IPv6 in IPv6", "4in6", "FabricPath",
	"PBB", "VN-Tag", "NSH", "EtherIP", "AYIYA", "L2TP session",
}

func (l layer) String() string {
	name := layerNames[l>>24]
	switch l &^ 0xffffff {
	case layerVLAN, layerMPLS, layerPPPoE, layerVXLAN, layerGeneve, layerBackbone, layerL2TP:
		return fmt.Sprintf("%s %d", name, uint32(l)&0xffffff)
	}
	return name
}

// maxLayers bounds the wrappings of one frame: more are not unwrapped.
const maxLayers = 12

// path is the wrappings of a frame, outermost first.
type path struct {
	n      uint8
	layers [maxLayers]layer
}

// push adds a wrapping; false when there are too many.
func (p *path) push(l layer) bool {
	if int(p.n) == maxLayers {
		return false
	}
	p.layers[p.n] = l
	p.n++
	return true
}

func (p *path) names() []string {
	names := make([]string, p.n)
	for i := range names {
		names[i] = p.layers[i].String()
	}
	return names
}

// maxPaths bounds what is remembered of a capture's different wrappings; path
// 0 is none, and maxPaths stands for all after those.
const maxPaths = 1 << 12

// intern gives a path its number.
func (d *Decoder) intern(p *path) uint16 {
	if p.n == 0 {
		return 0
	}
	if *p == d.lastPath {
		return d.lastNumber
	}
	number, known := d.numbers[*p]
	if !known {
		if len(d.paths) == maxPaths {
			return maxPaths
		}
		number = uint16(len(d.paths))
		d.paths = append(d.paths, p.names())
		d.numbers[*p] = number
	}
	d.lastPath, d.lastNumber = *p, number
	return number
}

// Path lists the wrappings that a segment's path number stands for, outermost
// first: "VLAN 7", "GRE". None: nil.
func (d *Decoder) Path(number uint16) []string {
	if int(number) < len(d.paths) {
		return d.paths[number]
	}
	return []string{"others"}
}

// PathText is [Decoder.Path] in one line.
func (d *Decoder) PathText(number uint16) string { return strings.Join(d.Path(number), ", ") }
