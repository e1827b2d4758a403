package dialscope_test

// table lists every package of the module with what it may import. An arrow
// that is missing here was not decided yet: decide it, then add it.
var table = map[string]room{
	// The core.
	"evidence":          {layer: core, imports: `pure`},
	"cause":             {layer: core, imports: `pure evidence`},
	"internal/wire":     {layer: core, imports: `pure`},
	"internal/tcpstate": {layer: core, imports: `pure`},
}
