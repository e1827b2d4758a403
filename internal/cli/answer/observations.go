package answer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dialscope/dialscope/evidence"
	"github.com/dialscope/dialscope/internal/cli/terminal"
)

// observations lists every entry of every log, in order.
func (p *page) observations(d *evidence.Dial) {
	p.line("  " + p.style.Bold("every observation"))
	p.log("", 0, d.Log)
	for i, a := range d.Attempts {
		name := ""
		if len(d.Attempts) > 1 {
			name = "#" + number(i+1)
		}
		p.log(name, a.Began, a.Log)
	}
}

// log lists one log; its times are since began.
func (p *page) log(name string, began time.Duration, log evidence.Log) {
	const indent = timeColumn + 4
	for _, e := range log {
		spans := []span{plain(fields(e))}
		if e.Fact == nil || string(e.Source) != string(e.Fact.Kind()) {
			spans = []span{painted(string(e.Source), p.style.Dim), spans[0]}
		}
		if name != "" {
			spans = append([]span{painted(name, p.style.Dim)}, spans...)
		}
		prefix := "  " + terminal.PadLeft(p.clean(Duration(began+e.At)), timeColumn) + "  "
		for i, text := range p.wrap(p.width()-indent, p.width()-indent, spans) {
			if i > 0 {
				prefix = strings.Repeat(" ", indent)
			}
			p.line(prefix + text)
		}
	}
}

// fields writes a fact as kind name=value name=value, in the order and under
// the names that its JSON has.
func fields(e evidence.Entry) string {
	if e.Fact == nil {
		return ""
	}
	text := string(e.Fact.Kind())
	data, err := json.Marshal(e.Fact)
	if err != nil {
		return text
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // the opening brace
		return text
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return text
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return text
		}
		field, _ := name.(string)
		text += " " + field + "=" + fieldValue(field, value)
	}
	return text
}

// fieldValue writes nanoseconds as a time, the items of a list one after the
// other, and a text without quotes where it holds no space.
func fieldValue(name string, value json.RawMessage) string {
	var items []json.RawMessage
	if json.Unmarshal(value, &items) == nil && value[0] == '[' {
		words := make([]string, len(items))
		for i, item := range items {
			words[i] = fieldValue(name, item)
		}
		return strings.Join(words, ",")
	}
	if name == "rise" {
		return riseWords(value)
	}
	var ns int64
	if strings.HasSuffix(name, "_ns") && json.Unmarshal(value, &ns) == nil {
		return strings.ReplaceAll(Duration(time.Duration(ns)), " ", "")
	}
	var text string
	if json.Unmarshal(value, &text) == nil && text != "" && !strings.ContainsAny(text, " \t\"") {
		return text
	}
	return string(value)
}

// riseWords lists the counters that moved and counts the others.
func riseWords(value json.RawMessage) string {
	var rise map[string]int64
	if json.Unmarshal(value, &rise) != nil {
		return string(value)
	}
	var words []string
	still := 0
	for _, name := range slices.Sorted(maps.Keys(rise)) {
		if rise[name] == 0 {
			still++
			continue
		}
		words = append(words, fmt.Sprintf("%s+%d", name, rise[name]))
	}
	return strings.Join(append(words, fmt.Sprintf("(%d did not move)", still)), " ")
}
