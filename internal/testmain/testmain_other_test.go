//go:build !linux

package testmain

import "os/exec"

// leakNames is what the message says about what is left behind: goroutines are
// all that can be seen here.
var leakNames = map[string]string{"goroutine": "found unexpected goroutines"}

func dieWithParent(*exec.Cmd) {}
