package results

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// A table as an independent implementation reads it says what the records say.
func TestParquet(t *testing.T) {
	type row struct {
		Address  *string `parquet:"address,optional"`
		Port     uint16  `parquet:"port"`
		Outcome  string  `parquet:"outcome"`
		Errno    *string `parquet:"errno,optional"`
		Cause    string  `parquet:"cause"`
		Latency  int64   `parquet:"latency_ns"`
		SYNs     uint16  `parquet:"syns"`
		Attempts uint16  `parquet:"attempts"`
		Name     *string `parquet:"name,optional"`
		Culprit  *string `parquet:"culprit,optional"`
		Who      *string `parquet:"culprit_address,optional"`
		Version  *uint16 `parquet:"icmp_version,optional"`
		Type     *uint16 `parquet:"icmp_type,optional"`
		Code     *uint16 `parquet:"icmp_code,optional"`
		Offender *string `parquet:"icmp_offender,optional"`
		Banner   *string `parquet:"banner,optional"`
		TLS      *string `parquet:"tls,optional"`
		Place    uint64  `parquet:"place"`
		At       int64   `parquet:"at_ns"`
	}
	name := filepath.Join(t.TempDir(), "results.parquet")
	w, err := Create(name, false)
	if err != nil {
		t.Fatal(err)
	}
	unresolved := new(Record)
	unresolved.Name, unresolved.Outcome, unresolved.Cause, unresolved.Place = "nowhere.invalid", "unresolved", "name-does-not-exist", 1<<64-1
	records := []*Record{record(0), record(1), record(2), record(3), unresolved}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.ReadFile[row](name)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(records) {
		t.Fatalf("%d rows", len(rows))
	}
	text := func(s string, is bool) *string {
		if !is {
			return nil
		}
		return &s
	}
	small := func(v uint8, is bool) *uint16 {
		if !is {
			return nil
		}
		n := uint16(v)
		return &n
	}
	for i, r := range records {
		icmp := r.ICMP.Version != 0
		want := row{
			Address: text(r.Addr.Addr().String(), r.Addr.Addr().IsValid()), Port: r.Addr.Port(),
			Outcome: string(r.Outcome), Errno: text(string(r.Errno), r.Errno != ""), Cause: string(r.Cause), Latency: int64(r.Latency),
			SYNs: uint16(r.SYNs), Attempts: uint16(r.Attempts), Name: text(r.Name, r.Name != ""),
			Culprit: text(string(r.Culprit.Kind), r.Culprit.Kind != ""), Who: text(r.Culprit.Address.String(), r.Culprit.Address.IsValid()),
			Version: small(r.ICMP.Version, icmp), Type: small(r.ICMP.Type, icmp), Code: small(r.ICMP.Code, icmp),
			Offender: text(r.ICMP.Offender.String(), icmp), Banner: text(Escape(r.Banner), r.Banner != ""), TLS: text(r.TLS, r.TLS != ""),
			Place: r.Place, At: int64(r.At),
		}
		if diff := cmp.Diff(want, rows[i]); diff != "" {
			t.Errorf("record %d: %s", i, diff)
		}
	}
}
