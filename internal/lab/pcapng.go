package lab

import (
	"encoding/binary"
	"io"
	"time"
)

// pcapngWriter writes packets in the pcap next generation capture file format
// (draft-ietf-opsawg-pcapng): one section, an interface for each of a host's
// links, nanosecond timestamps. Errors stay with it.
type pcapngWriter struct {
	w   io.Writer
	err error
}

// The block types and options of the draft's sections 4 and 11, and the link
// type of Ethernet and of raw IP (tcpdump.org/linktypes).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	optionEnd      = 0
	optionName     = 2 // if_name
	optionResol    = 9 // if_tsresol
	optionUserAppl = 4 // shb_userappl

	linkEthernet = 1
	linkRawIP    = 101
)

func newPcapng(w io.Writer) *pcapngWriter {
	p := &pcapngWriter{w: w}
	body := []byte{0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0} // byte order, version 1.0
	body = append(body, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	p.block(blockSection, body, option(optionUserAppl, []byte("dialscope lab")))
	return p
}

// addInterface adds an interface; its number is how many there were before.
func (p *pcapngWriter) addInterface(name string, linkType uint16) {
	body := binary.LittleEndian.AppendUint16(nil, linkType)
	body = append(body, 0, 0, 0, 0, 0, 0) // no limit of a packet's length
	const nanoseconds = 9
	p.block(blockInterface, body, option(optionName, []byte(name)), option(optionResol, []byte{nanoseconds}))
}

func (p *pcapngWriter) packet(iface uint32, at time.Time, data []byte) {
	ns := uint64(at.UnixNano())
	body := binary.LittleEndian.AppendUint32(nil, iface)
	body = binary.LittleEndian.AppendUint32(body, uint32(ns>>32))
	body = binary.LittleEndian.AppendUint32(body, uint32(ns))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(data)))
	p.block(blockPacket, pad4(append(body, data...)))
}

// block writes a block; options are followed by their end.
func (p *pcapngWriter) block(typ uint32, body []byte, options ...[]byte) {
	for _, o := range options {
		body = append(body, o...)
	}
	if len(options) > 0 {
		body = append(body, optionEnd, 0, 0, 0)
	}
	const frame = 12 // type, and the length at either end
	length := uint32(frame + len(body))
	b := binary.LittleEndian.AppendUint32(nil, typ)
	b = binary.LittleEndian.AppendUint32(b, length)
	b = append(b, body...)
	b = binary.LittleEndian.AppendUint32(b, length)
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

func option(code uint16, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad4(append(b, value...))
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
