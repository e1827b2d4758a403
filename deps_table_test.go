package dialscope_test

// table lists every package of the module with what it may import. An arrow
// that is missing here was not decided yet: decide it, then add it.
var table = map[string]room{
	"evidence":          {layer: core, imports: `pure`},
	"cause":             {layer: core, imports: `pure evidence`},
	"internal/wire":     {layer: core, imports: `pure`},
	"internal/tcpstate": {layer: core, imports: `pure`},
	"internal/frame":    {layer: core, imports: `pure internal/tcpstate`, tests: `internal/wire pgregory.net/rapid`},

	"internal/payload": {layer: core, imports: `pure`, tests: `std golang.org/x/net/dns/dnsmessage`},
	"internal/sweep":   {layer: core, imports: `pure`},
	"internal/parquet": {layer: part, imports: `std`, tests: `github.com/parquet-go/parquet-go`},
	"internal/watch":   {layer: core, imports: `pure evidence cause internal/sockets`},
	"internal/sockets": {layer: core, imports: `pure cause internal/tcpstate`},

	"internal/filter": {layer: core, imports: `pure`},

	"internal/host/sys": {layer: kernel, imports: `std syscall unsafe golang.org/x/sys/unix`},

	"internal/host/sock": {layer: adapter,
		imports: `std syscall evidence cause internal/wire internal/host/sys`},
	"internal/host/resolve": {layer: adapter,
		imports: `std syscall evidence internal/host/sys golang.org/x/net/dns/dnsmessage`},
	"internal/host/procfs": {layer: adapter, imports: `std syscall evidence internal/host/sys`,
		tests: `internal/testmain`},
	"internal/host/netlink": {layer: adapter,
		imports: `std syscall evidence internal/host/sys`,
		tests:   `github.com/vishvananda/netlink internal/testmain`},
	"internal/host/nft": {layer: adapter, imports: `std syscall internal/filter internal/host/sys`,
		tests: `os/exec internal/testmain internal/host/netns`},
	"internal/host/netns": {layer: adapter,
		imports: `std syscall os/exec internal/host/sys
			github.com/google/nftables github.com/google/nftables/expr
			github.com/vishvananda/netlink github.com/vishvananda/netlink/nl github.com/vishvananda/netns`},

	"internal/host/socktable": {layer: adapter,
		imports: `std syscall internal/sockets internal/host/sys`,
		tests:   `cause`},
	"internal/host/capture": {layer: adapter,
		imports: `std syscall evidence internal/wire internal/host/sys golang.org/x/net/bpf`,
		tests:   `internal/host/netns`},
	"internal/host/pcapfile": {layer: adapter, imports: `std github.com/klauspost/compress/zstd`},
	"internal/host/reactor": {layer: adapter,
		imports: `std syscall internal/sweep internal/host/sys`,
		tests:   `internal/host/netns`},

	"internal/host/bpf": {layer: adapter,
		imports: `std syscall internal/host/sys github.com/cilium/ebpf github.com/cilium/ebpf/btf
			github.com/cilium/ebpf/link github.com/cilium/ebpf/ringbuf github.com/cilium/ebpf/rlimit`},

	"internal/host/tun": {layer: adapter, imports: `std syscall internal/host/sys`},
	"internal/lab/peer": {layer: adapter, imports: `std internal/wire`},

	"internal/host/feature": {layer: survey,
		imports: `std syscall internal/host/sys internal/host/bpf internal/host/netlink internal/host/procfs`},

	"internal/probe": {layer: survey, imports: `std syscall evidence cause internal/wire internal/host/sock internal/host/sys golang.org/x/net/bpf`},

	".": {layer: public,
		imports: `std syscall evidence cause internal/tcpstate internal/probe
			internal/filter internal/host/capture internal/host/netlink internal/host/nft internal/host/procfs internal/host/reactor internal/host/resolve internal/host/sock internal/sweep internal/payload`,
		tests: `internal/host/netns internal/wire golang.org/x/net/dns/dnsmessage golang.org/x/net/nettest`},

	"internal/lab/experiment": {layer: useCase,
		imports: `std syscall internal/tcpstate internal/host/netns internal/host/sys`},
	"internal/lab": {layer: useCase,
		imports: `std syscall os/exec . evidence cause internal/host/bpf internal/host/netns internal/host/pcapfile internal/host/sys internal/host/tun internal/lab/peer internal/listen
			golang.org/x/net/dns/dnsmessage
			github.com/goccy/go-yaml github.com/goccy/go-yaml/ast github.com/goccy/go-yaml/parser`,
		tests: `internal/cli internal/conversation`},

	"internal/talk": {layer: useCase, imports: `std syscall .`, tests: `cause internal/testmain`},
	"internal/listen": {layer: survey,
		imports: `std syscall evidence cause internal/host/netlink internal/host/procfs internal/host/sock internal/host/sys`,
		tests:   `internal/host/netns internal/testmain`},

	"internal/conversation": {layer: useCase,
		imports: `std evidence cause internal/frame internal/tcpstate internal/host/capture internal/host/pcapfile`,
		tests:   `internal/testcapture internal/testmain internal/host/netns`},

	"kernel": {layer: useCase, imports: `std . evidence internal/host/bpf`, tests: `cause`},

	"internal/cli/terminal": {layer: part, imports: `std golang.org/x/term`},
	"internal/cli/answer":   {layer: part, imports: `std evidence cause internal/cli/terminal`},
	"internal/cli/progress": {layer: part, imports: `std . evidence cause internal/cli/answer internal/cli/terminal`},
	"internal/cli/series":   {layer: part, imports: `std cause`},
	"internal/cli/target":   {layer: part, imports: `std cause`},
	"internal/cli/results": {layer: part, imports: `std . evidence cause internal/parquet`,
		tests: `github.com/parquet-go/parquet-go`},
	"internal/watch/feed": {layer: useCase,
		imports: `std syscall evidence internal/watch internal/sockets internal/host/bpf internal/host/netlink internal/host/socktable internal/host/sys`,
		tests:   `cause`},
	"internal/cli/watchview":  {layer: part, imports: `std cause internal/sockets internal/watch internal/cli/terminal`},
	"internal/cli/socketlist": {layer: part, imports: `std cause internal/sockets internal/cli/terminal`},
	"internal/cli/story": {layer: part,
		imports: `std cause internal/conversation internal/frame internal/cli/terminal`,
		tests:   `internal/testcapture`},
	"internal/cli": {layer: delivery,
		imports: `std syscall . evidence cause kernel internal/host/feature internal/host/sys internal/lab internal/lab/experiment internal/cli/answer internal/cli/progress internal/cli/series
			internal/cli/story internal/cli/target internal/cli/terminal internal/conversation internal/host/capture internal/host/pcapfile internal/cli/results internal/sweep
			internal/listen internal/payload internal/talk internal/sockets internal/host/socktable internal/cli/socketlist
			internal/watch internal/watch/feed internal/cli/watchview os/exec golang.org/x/term github.com/spf13/cobra github.com/spf13/pflag`,
		tests: `internal/host/bpf internal/testcapture internal/host/netns golang.org/x/net/dns/dnsmessage github.com/rogpeppe/go-internal/testscript`},
	"cmd/dialscope": {layer: delivery, imports: `std syscall internal/cli`},

	"internal/cli/genman":  {layer: tool, imports: `std internal/cli`, tests: `cause`},
	"internal/testmain":    {layer: tool, imports: `std syscall os/exec internal/host/sys internal/host/netns go.uber.org/goleak`},
	"internal/bench":       {layer: tool, imports: `std syscall os/exec . cause kernel internal/host/netns internal/lab internal/wire github.com/vishvananda/netlink`},
	"internal/golden":      {layer: tool, imports: `std github.com/google/go-cmp/cmp`},
	"internal/testcapture": {layer: tool, imports: `std internal/wire internal/host/pcapfile`},
	"scripts/testreport":   {layer: tool, imports: `std`},
}
