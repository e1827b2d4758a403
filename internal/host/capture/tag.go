package capture

import "encoding/binary"

// untag notes the tag that the kernel took away, and takes away those that
// stand before the IP header still.
func (f *Frame) untag(taken uint16, was bool) {
	n := 0
	note := func(tci uint16) {
		if n < len(f.VLANs) {
			f.VLANs[n] = tci & 0xfff // the identifier, IEEE 802.1Q
			n++
		}
	}
	if was {
		note(taken)
	}
	for range mostTags {
		if f.Ethertype != ethertypeVLAN && f.Ethertype != ethertypeQinQ || len(f.Data) < 4 {
			return
		}
		note(binary.BigEndian.Uint16(f.Data))
		f.Ethertype = binary.BigEndian.Uint16(f.Data[2:])
		f.Data, f.Length = f.Data[4:], f.Length-4
	}
}
