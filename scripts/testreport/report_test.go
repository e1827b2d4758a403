package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	tests := []struct {
		name  string
		input string
		want  string
		good  bool
	}{
		{
			name: "a pass prints its package line only",
			input: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p","Elapsed":0.1}
`,
			want: "ok  \tp\t0.1s\n1 passed, 0 failed, 0 skipped\n",
			good: true,
		},
		{
			name: "skips are told together where their reason is the same",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: netns: not permitted\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":2.5}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: netns: not permitted\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Test":"TestD","Output":"    c_test.go:12: another system\n"}
{"Action":"skip","Package":"p","Test":"TestD"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`,
			want: "ok  \tp\t0.1s\nskipped: p: another system: TestD\nskipped: p: netns: not permitted: TestA TestC\nslow:   2.5 s  p TestB\n1 passed, 0 failed, 3 skipped\n",
			good: true,
		},
		{
			name: "a failure prints all that it said",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: got 1, want 2\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			want: "    a_test.go:3: got 1, want 2\n--- FAIL: TestA (0.00s)\nFAIL\nFAIL\tp\t0.1s\nfailed: p\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a package that fails after its tests passed, as on a leak, is a failure",
			input: `{"Action":"start","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"leaked: descriptor 7\n"}
{"Action":"fail","Package":"p"}
`,
			want: "leaked: descriptor 7\nfailed: p\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "what does not build is a failure",
			input: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:3: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`,
			want: "p/a.go:3: undefined: x\nFAIL\tp [build failed]\nfailed: p\nno test was run\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a panic shows the test that it interrupted",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`,
			want: "panic: boom\nFAIL\tp\t0.1s\nfailed: p\nno test was run\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name:  "an input cut short is a failure",
			input: `{"Action":"start","Package":"p"}` + "\n" + `{"Action":"pass","Package":"p","Test":"TestA"}`,
			want:  "FAIL\tp\tended without a result\nfailed: p\n1 passed, 1 failed, 0 skipped\n",
		},
		{
			name:  "no test is a failure, and what go says is passed on",
			input: "go: downloading x\n",
			want:  "go: downloading x\nno test was run\n0 passed, 0 failed, 0 skipped\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w := bufio.NewWriter(&out)
			r := newReport(w)
			if err := r.read(strings.NewReader(tt.input)); err != nil {
				t.Fatal(err)
			}
			r.close()
			w.Flush()
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if r.good() != tt.good {
				t.Errorf("good() = %v, want %v", r.good(), tt.good)
			}
		})
	}
}

func TestReason(t *testing.T) {
	for _, tt := range []struct{ output, want string }{
		{"    a_test.go:3: no raw sockets: operation not permitted", "no raw sockets: operation not permitted"},
		{"plain words", "plain words"},
		{"--- SKIP: TestA (0.00s)", "no reason given"},
		{"", "no reason given"},
	} {
		if got := reason([]string{"=== RUN   TestA\n", tt.output + "\n"}); got != tt.want {
			t.Errorf("reason(%q) = %q, want %q", tt.output, got, tt.want)
		}
	}
}
