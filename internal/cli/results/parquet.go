package results

import (
	"bufio"
	"net/netip"

	"github.com/dialscope/dialscope/internal/parquet"
)

// parquetWriter writes the columns of NDJSON. Without its end, which Close
// writes, the file is no table.
type parquetWriter struct{ *parquet.Writer }

var parquetColumns = []parquet.Column{
	{Name: "address", Kind: parquet.String, Optional: true},
	{Name: "port", Kind: parquet.Uint16},
	{Name: "outcome", Kind: parquet.String},
	{Name: "errno", Kind: parquet.String, Optional: true},
	{Name: "cause", Kind: parquet.String},
	{Name: "latency_ns", Kind: parquet.Int64},
	{Name: "syns", Kind: parquet.Uint16},
	{Name: "attempts", Kind: parquet.Uint16},
	{Name: "name", Kind: parquet.String, Optional: true},
	{Name: "culprit", Kind: parquet.String, Optional: true},
	{Name: "culprit_address", Kind: parquet.String, Optional: true},
	{Name: "icmp_version", Kind: parquet.Uint16, Optional: true},
	{Name: "icmp_type", Kind: parquet.Uint16, Optional: true},
	{Name: "icmp_code", Kind: parquet.Uint16, Optional: true},
	{Name: "icmp_offender", Kind: parquet.String, Optional: true},
	{Name: "banner", Kind: parquet.String, Optional: true}, // escaped as in CSV
	{Name: "tls", Kind: parquet.String, Optional: true},
	{Name: "place", Kind: parquet.Uint64},
	{Name: "at_ns", Kind: parquet.Int64},
}

func newParquet(w *bufio.Writer) (Writer, error) {
	p, err := parquet.NewWriter(w, parquetColumns)
	return &parquetWriter{p}, err
}

func (p *parquetWriter) Write(r *Record) error {
	address := func(a netip.Addr) {
		if a.IsValid() {
			p.Text(a.String())
		} else {
			p.Null()
		}
	}
	text := func(s string) {
		if s != "" {
			p.Text(s)
		} else {
			p.Null()
		}
	}
	address(r.Addr.Addr())
	p.Int(int64(r.Addr.Port()))
	p.Text(string(r.Outcome))
	text(string(r.Errno))
	p.Text(string(r.Cause))
	p.Int(int64(r.Latency))
	p.Int(int64(r.SYNs))
	p.Int(int64(r.Attempts))
	text(r.Name)
	text(string(r.Culprit.Kind))
	address(r.Culprit.Address)
	if r.ICMP.Version != 0 {
		p.Int(int64(r.ICMP.Version))
		p.Int(int64(r.ICMP.Type))
		p.Int(int64(r.ICMP.Code))
	} else {
		p.Null()
		p.Null()
		p.Null()
	}
	address(r.ICMP.Offender)
	text(escape(r.Banner))
	text(r.TLS)
	p.Int(int64(r.Place))
	p.Int(int64(r.At))
	return p.EndRow()
}
