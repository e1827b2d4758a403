package sock

// Spliced says how a step between a pipe and a connection went.
type Spliced int

// The ways.
const (
	SpliceMoved Spliced = iota // octets, without a copy
	SpliceEnd                  // the pipe is empty and has no writer any more
	SplicePipe                 // the pipe is empty, or full: wait for it
	SpliceCopy                 // the next octets want to be read and written
)
