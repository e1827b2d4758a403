package cli

// programPath is a path to this program that other users can execute too, where
// its folder is closed to them (proc(5)).
func programPath() string { return "/proc/self/exe" }
