package testmain

// self is a path to this test binary that other users can execute too: go test
// puts the binary into a directory of mode 0700, and the link does not go
// through it (proc(5)).
func self() string { return "/proc/self/exe" }
