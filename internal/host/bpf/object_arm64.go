//go:build linux

package bpf

import _ "embed"

//go:embed events_arm64.o
var object []byte
