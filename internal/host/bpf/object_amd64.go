//go:build linux

package bpf

import _ "embed"

//go:embed events_x86.o
var object []byte
