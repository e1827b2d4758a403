package lab_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/dialscope/dialscope/internal/lab"
	"github.com/dialscope/dialscope/internal/testmain"
)

// blocks reads a pcapng file: the types and bodies of its blocks.
func blocks(t *testing.T, file []byte) (types []uint32, bodies [][]byte) {
	t.Helper()
	for len(file) > 0 {
		if len(file) < 12 {
			t.Fatalf("%d octets after the last block", len(file))
		}
		length := binary.LittleEndian.Uint32(file[4:])
		if length%4 != 0 || int(length) > len(file) || binary.LittleEndian.Uint32(file[length-4:]) != length {
			t.Fatalf("a block of %d octets in %d", length, len(file))
		}
		types, bodies = append(types, binary.LittleEndian.Uint32(file)), append(bodies, file[8:length-4])
		file = file[length:]
	}
	return types, bodies
}

// The capture of a refused connect is a SYN and a RST, in that order.
func TestCapture(t *testing.T) {
	testmain.Need(t, "netns")
	for name, header := range map[string]int{"port-closed-far": 14, "peer-closed-rst-ack": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := lab.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			var file bytes.Buffer
			plain := *found[0]
			plain.Dial.Flags = append(slices.Clip(plain.Dial.Flags), "--probes", "none") // the attempt's own packets alone
			n, r, err := lab.Capture(t.Context(), &plain, lab.Unprivileged, "client", program, &file)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Good() {
				t.Errorf("captured dials are judged too: %v", r.Defects)
			}
			types, bodies := blocks(t, file.Bytes())
			if len(types) < 4 || types[0] != 0x0a0d0d0a || types[1] != 1 {
				t.Fatalf("blocks %x", types)
			}
			packets := 0
			var flags []byte
			for i, typ := range types {
				if typ != 6 {
					continue
				}
				packets++
				const fixed = 20
				ip := bodies[i][fixed+header:]
				if ip[0] == 0x45 && ip[9] == 6 { // IPv4 without options, TCP
					flags = append(flags, ip[20+13]&0x3f)
				}
			}
			if packets != n {
				t.Errorf("%d packets, and %d were told", packets, n)
			}
			if !bytes.Equal(flags, []byte{0x02, 0x14}) { // SYN; RST and ACK
				t.Errorf("TCP flags %x, want a SYN and a RST", flags)
			}
		})
	}
}

func TestCaptureOfNoHost(t *testing.T) {
	testmain.Need(t, "netns")
	found, err := lab.Find("port-closed")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := lab.Capture(t.Context(), found[0], lab.Privileged, "r7", program, &bytes.Buffer{}); err == nil {
		t.Error("no error for a host that does not exist")
	}
}
