package lab

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dialscope/dialscope"
	"github.com/dialscope/dialscope/cause"
)

// Record is the evidence of one dial, kept so that the rules can be tested
// without a network, and so that a log keeps its verdict.
type Record struct {
	Scenario string          `json:"scenario"`
	Level    Level           `json:"level"`
	Report   json.RawMessage `json:"report"`
}

// Recorded is the record of a result; false for one without a report.
func (r *Result) Recorded() (Record, bool) {
	return Record{r.Scenario, r.Level, r.Report}, len(r.Report) > 0
}

// Verdicts are the verdict that the program printed, and the one that the
// rules of today give to the same evidence.
func (r *Record) Verdicts() (printed, today cause.Verdict, err error) {
	var report dialscope.Report
	if err := errors.Join(json.Unmarshal(r.Report, &printed), json.Unmarshal(r.Report, &report)); err != nil {
		return printed, today, fmt.Errorf("%s: %w", r.Scenario, err)
	}
	return printed, report.Verdict(), nil
}

// WriteRecords writes records as JSON, one a line, compressed (RFC 1952).
func WriteRecords(w io.Writer, records []Record) error {
	z := gzip.NewWriter(w)
	enc := json.NewEncoder(z)
	for i := range records {
		if err := enc.Encode(&records[i]); err != nil {
			return err
		}
	}
	return z.Close()
}

// ReadRecords reads what WriteRecords wrote.
func ReadRecords(r io.Reader) (all []Record, err error) {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	for dec := json.NewDecoder(z); ; {
		var one Record
		switch err := dec.Decode(&one); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, one)
	}
}
