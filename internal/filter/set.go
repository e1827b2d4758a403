package filter

import "bytes"

// find looks a key up. The elements are those that the key is, or may be, in.
func (s *Set) find(key func(n int) bits) (truth, []*Element) {
	answer, hits := no, []*Element(nil)
	var all *Element
	if s.interval() && len(s.Fields) < 2 {
		answer, hits = s.findInterval(key)
	} else {
		for i := range s.Elements {
			e := &s.Elements[i]
			if e.Flags&elementCatchAll != 0 {
				all = e
				continue
			}
			one := key(len(e.Key)).equal(e.Key)
			if len(e.End) == len(e.Key) && len(e.Key) > 0 {
				one = s.withinFields(key(len(e.Key)), e)
			}
			if one == yes {
				return yes, []*Element{e}
			}
			if one == perhaps {
				answer, hits = perhaps, append(hits, e)
			}
		}
	}
	for i := range s.Elements {
		if s.Elements[i].Flags&elementCatchAll != 0 {
			all = &s.Elements[i]
		}
	}
	switch {
	case answer != yes && s.Partial:
		return perhaps, hits
	case all != nil && answer == no:
		return yes, []*Element{all}
	case all != nil && answer == perhaps:
		// It is in the set one way or the other; which element is open.
		return yes, append(hits, all)
	}
	return answer, hits
}

// withinFields compares each field of a concatenation with its own range.
func (s *Set) withinFields(key bits, e *Element) truth {
	answer, at := yes, 0
	for _, n := range s.Fields {
		if n <= 0 || at+n > len(e.Key) {
			return perhaps
		}
		answer = min(answer, within(key.part(at, n), e.Key[at:at+n], e.End[at:at+n]))
		at += (n + 3) &^ 3
	}
	if at == 0 {
		return perhaps
	}
	return answer
}

// findInterval searches ranges: each element begins an interval or ends one,
// and the last that is not above the key decides (nft_rbtree_lookup).
func (s *Set) findInterval(key func(n int) bits) (truth, []*Element) {
	answer, hits := no, []*Element(nil)
	for i := range s.Elements {
		e := &s.Elements[i]
		if e.Flags&(elementEnd|elementCatchAll) != 0 {
			continue
		}
		var above []byte // the first key behind the interval; nil: it has no end
		for j := i + 1; j < len(s.Elements); j++ {
			if s.Elements[j].Flags&elementCatchAll == 0 {
				above = s.Elements[j].Key
				break
			}
		}
		k := key(len(e.Key))
		one := compare(k, 5, e.Key)
		if above != nil && !bytes.Equal(above, e.Key) {
			one = min(one, compare(k, 2, above))
		}
		if one == yes {
			return yes, []*Element{e}
		}
		if one == perhaps {
			answer, hits = perhaps, append(hits, e)
		}
	}
	return answer, hits
}
