package cli

import (
	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/evidence"
)

// catalogueDocument is --explain list --json.
type catalogueDocument struct {
	Causes []causeDocument `json:"causes"`
	Errnos []errnoDocument `json:"errnos"`
}

// causeDocument is --explain CAUSE --json.
type causeDocument struct {
	ID          cause.ID         `json:"cause"`
	Group       cause.Group      `json:"group"`
	Title       string           `json:"title"`
	Explanation string           `json:"explanation"`
	Remedy      string           `json:"remedy"`
	Errnos      []evidence.Errno `json:"errnos"`
	Culprit     cause.Kind       `json:"culprit"`
	Page        string           `json:"page"`
	Reference   string           `json:"reference"`
}

// errnoDocument is --explain ERRNO --json.
type errnoDocument struct {
	Name    evidence.Errno `json:"errno"`
	Number  int            `json:"number"` // on Linux
	Meaning string         `json:"meaning"`
	When    string         `json:"when"`
	Windows string         `json:"windows"`
	BSD     string         `json:"bsd"`
	Outcome cause.Outcome  `json:"outcome"`
	Causes  []cause.ID     `json:"causes"`
}

func catalogueOf(causes []cause.Entry, errnos []cause.ErrnoEntry) catalogueDocument {
	var d catalogueDocument
	for _, e := range causes {
		d.Causes = append(d.Causes, causeOf(e))
	}
	for _, e := range errnos {
		d.Errnos = append(d.Errnos, errnoOf(e))
	}
	return d
}

func causeOf(e cause.Entry) causeDocument {
	explanation, remedy := e.Fill(nil)
	return causeDocument{e.ID, e.Group, e.Title, explanation, remedy, append([]evidence.Errno{}, e.Errnos...), e.Culprit, e.Page, e.Reference}
}

func errnoOf(e cause.ErrnoEntry) errnoDocument {
	return errnoDocument{e.Name, e.Number, e.Meaning, e.When, e.Windows, e.BSD, e.Outcome, append([]cause.ID{}, e.Causes...)}
}
