package cause

import "github.com/dialscope/dialscope/evidence"

// rule recognises one cause in an attempt's evidence.
type rule struct {
	id    ID
	needs []evidence.Kind // facts without which it cannot speak at all
	mutes []ID            // consequences that this cause explains: they are not named beside it
	judge func(*view) reading
	ref   string // the clause, man page or kernel function that the predicate rests on
}

// reading is what a rule makes of the evidence. The zero value: it says nothing.
type reading struct {
	confidence Confidence
	culprit    Culprit
	detail     string // fills {detail}
	say        string // replaces the catalogue's explanation where it would not fit
	do         string // replaces the catalogue's remedy where something better is known
	blanks     Blanks // fills further blanks
	last       bool   // stands behind other readings of the same confidence
}

func (r reading) says() bool { return r.confidence != "" }

// behind puts a reading behind others of the same confidence.
func (r reading) behind(yes bool) reading {
	r.last = yes
	return r
}

// nothing is the reading of a rule whose cause the evidence does not show.
var nothing reading

func local(c Confidence, detail string) reading {
	return reading{confidence: c, culprit: Culprit{Kind: Local}, detail: detail}
}

// either is the stronger confidence when the deciding fact was seen.
func either(proved bool, then, otherwise Confidence) Confidence {
	if proved {
		return then
	}
	return otherwise
}

// rank orders confidences; 0 is the strongest.
func (c Confidence) rank() int {
	switch c {
	case Certain:
		return 0
	case Likely:
		return 1
	}
	return 2
}

// rules is every rule for one attempt. The order is that in which a connection
// meets the causes; among readings of the same confidence the first stands first.
var rules = concat(kernelRules, localRules, packetRules, icmpRules, answerRules, silenceRules, udpRules)

func concat(lists ...[]rule) (all []rule) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
