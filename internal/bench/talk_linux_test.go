package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOctets(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "1000": 1000, "64KiB": 65536, "3MiB": 3 << 20, "1GiB": 1 << 30, "1024GiB": 1 << 40} {
		var o octets
		if err := o.Set(text); err != nil || int64(o) != want || fmt.Sprint(o) != text {
			t.Errorf("%s: %d, %v, %v", text, int64(o), o, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "1GB", "GiB", "1.5MiB", "1025GiB", "99999999999999999999"} {
		var o octets
		if o.Set(text) == nil {
			t.Errorf("%q was taken for %d", text, int64(o))
		}
	}
}

func TestParseTalk(t *testing.T) {
	o, err := parseTalk([]string{"-size", "5MiB", "-rounds", "3", "both", "sending"})
	if err != nil || o.size != 5<<20 || o.rounds != 3 || len(o.only) != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parseTalk([]string{"-quick"}); err != nil || o.size > 16<<20 || o.rounds > 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"sideways"}, {"-rounds", "0"}} {
		if _, err := parseTalk(args); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

// Every fault in what came is found: in an octet, in the order, in the length.
func TestPattern(t *testing.T) {
	const size = 3<<20 + 17
	var sent bytes.Buffer
	if err := writePattern(&sent, size); err != nil || sent.Len() != size {
		t.Fatalf("%d octets, %v", sent.Len(), err)
	}
	whole := sent.Bytes()
	altered := func(change func([]byte) []byte) io.Reader { return bytes.NewReader(change(bytes.Clone(whole))) }
	for name, tt := range map[string]struct {
		r    io.Reader
		want string // of the error
	}{
		"whole":          {bytes.NewReader(whole), ""},
		"by halves":      {iotest.HalfReader(bytes.NewReader(whole)), ""},
		"short":          {bytes.NewReader(whole[:size-1]), "the end came after 3145744 of 3145745"},
		"long":           {io.MultiReader(bytes.NewReader(whole), strings.NewReader("x")), "more than"},
		"another octet":  {altered(func(b []byte) []byte { b[2<<20]++; return b }), "other octets"},
		"a piece lost":   {altered(func(b []byte) []byte { return append(b[:1<<16], b[1<<17:]...) }), "other octets"},
		"a piece twice":  {altered(func(b []byte) []byte { copy(b[1<<16:1<<17], b[:1<<16]); return b }), "other octets"},
		"a failing read": {io.MultiReader(bytes.NewReader(whole[:9]), iotest.ErrReader(errors.New("gone"))), "after 9 of"},
		"nothing":        {strings.NewReader(""), "the end came after 0"},
	} {
		err := checkPattern(tt.r, size)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkPattern(strings.NewReader(""), 0); err != nil {
		t.Errorf("nothing of nothing: %v", err)
	}
}

func TestBestTalker(t *testing.T) {
	bad := errors.New("it cannot")
	for _, tt := range []struct {
		all  []talked
		want int
	}{
		{[]talked{{wall: spread{1}}}, 0},
		{[]talked{{wall: spread{1}}, {wall: spread{5}}, {wall: spread{3, 4, 9}}}, 2},
		{[]talked{{wall: spread{1}}, {fault: bad}, {wall: spread{7}}}, 2},
		{[]talked{{wall: spread{1}}, {wall: spread{2}, fault: bad}}, 0},
	} {
		if got := bestTalker(tt.all); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.all, got, tt.want)
		}
	}
}

// Who reads one way only is told so; addresses go where each program wants them.
func TestTalkers(t *testing.T) {
	all, absent := talkers(talkOptions{dir: "where"})
	if all[0].name != "dialscope talk" || len(all)+len(absent) != 5 {
		t.Fatalf("%d, %v", len(all), absent)
	}
	for _, who := range all {
		for _, w := range talkWays {
			line := strings.Join(who.argv(w, "127.0.0.1", "7000"), " ")
			if !strings.Contains(line, "127.0.0.1") || !strings.Contains(line, "7000") {
				t.Errorf("%s, %s: %s", who.name, w.name, line)
			}
			if oneWay := w.sending != w.getting; strings.HasPrefix(who.name, "socat") && strings.Contains(line, " -u ") != oneWay {
				t.Errorf("%s, %s: %s", who.name, w.name, line)
			}
		}
	}
}
