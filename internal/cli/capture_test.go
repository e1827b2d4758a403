package cli

import (
	"bytes"
	"compress/gzip"
	"net/netip"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dialscope/dialscope/internal/testcapture"
)

// captureCommand is "capture FILE [gzip | cut N] SCRIPT...": a capture of one
// connection for each script, a second apart, from ports 40001, 40002, ...
func captureCommand(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, 20, "capture FILE [gzip | cut] SCRIPT...")
	scripts := map[string]string{
		"open": testcapture.Open, "refused": testcapture.Refused, "silent": testcapture.Silent, "prohibited": testcapture.Prohibited,
		"lost": testcapture.Lost, "reset": testcapture.AcceptedThenReset, "forged": testcapture.ForgedReset,
	}
	file, how := ts.MkAbs(args[0]), ""
	args = args[1:]
	if args[0] == "gzip" || args[0] == "cut" {
		how, args = args[0], args[1:]
	}
	var all []testcapture.Script
	for i, name := range args {
		lines, known := scripts[name]
		if !known {
			ts.Fatalf("no script %q", name)
		}
		all = append(all, testcapture.Script{Lines: lines, At: time.Duration(i) * 5 * time.Second,
			Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(40001+i))})
	}
	b := testcapture.Pcap(all...)
	switch how {
	case "cut":
		b = b[:len(b)-5]
	case "gzip":
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err := w.Write(b)
		ts.Check(err)
		ts.Check(w.Close())
		b = z.Bytes()
	}
	ts.Check(os.WriteFile(file, b, 0o666))
}
