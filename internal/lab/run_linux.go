package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dialscope/dialscope/cause"
	"github.com/dialscope/dialscope/internal/host/bpf"
	"github.com/dialscope/dialscope/internal/host/netns"
)

var policies = map[string]netns.Policy{"seccomp": netns.Seccomp, "landlock": netns.Landlock, "cgroup": netns.Cgroup}

// patience bounds one dial; no scenario needs half of it.
const patience = 60 * time.Second

// Run builds a scenario, dials, takes the network down and judges the verdict.
func Run(ctx context.Context, s *Scenario, l Level, program Program) *Result {
	r := &Result{Scenario: s.Name, Level: l, Truth: s.TruthAt(l), Handshake: s.Dial.handshake()}
	began := time.Now()
	st, err := Build(ctx, s)
	r.Built = time.Since(began)
	if err == nil {
		err = errors.Join(st.dial(ctx, l, program, r), st.hear(ctx, r), st.played(), st.Close())
	}
	switch {
	case errors.Is(err, ErrNotPossible):
		r.NotPossible = strings.TrimPrefix(err.Error(), ErrNotPossible.Error()+": ")
	case err != nil:
		r.Failed = err.Error()
	}
	return r
}

func (st *Stand) dial(ctx context.Context, l Level, program Program, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := st.Scenario
	args := s.Args("--json")
	if l == Privileged && s.Confine == nil && s.Dial.Command != "talk" && bpf.Permitted() == nil && !slices.Contains(s.Dial.Flags, "--kernel") {
		args = s.Args("--json", "--kernel", "first") // what is heard does not hang on how fast this host is
	}
	if s.Confine != nil && s.Confine.Descriptors != nil {
		args = append([]string{"lab", "limited", strconv.Itoa(*s.Confine.Descriptors), "--"}, args...)
	}
	cmd := st.Client().Wrap(program(ctx, args...))
	if s.Confine != nil && s.Confine.Deny != "" {
		cmd.Deny(policies[s.Confine.Deny])
	}
	if l == Unprivileged {
		cmd.Unprivileged()
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if s.Dial.Input == "zero" {
		zero, err := os.Open("/dev/zero")
		if err != nil {
			return possible(err)
		}
		defer zero.Close()
		cmd.Stdin = zero
	}
	if err := cmd.Start(); err != nil {
		return possible(err)
	}
	if s.Dial.Signal == "INT" {
		timer := time.AfterFunc(time.Second, func() { _ = cmd.Process.Signal(os.Interrupt) })
		defer timer.Stop()
	}
	unfolding, over := context.WithCancel(ctx)
	unfolded := make(chan error, 1)
	go func() { unfolded <- st.unfold(unfolding) }()
	err := cmd.Wait() // the exit status tells the outcome, which the document has too
	over()
	if bad := <-unfolded; bad != nil {
		return bad
	}
	var doc struct {
		cause.Verdict
		Took time.Duration `json:"duration_ns"`
	}
	if json.Unmarshal(out.Bytes(), &doc) != nil || doc.Outcome == "" {
		return fmt.Errorf("the dial printed no document (%v): %s%s", err, out.String(), complaint.String())
	}
	r.Report, r.Verdict, r.Took = out.Bytes(), doc.Verdict, doc.Took
	took := r.Took
	if overloaded() {
		took = 0 // that says nothing of the program
	}
	if r.Judgement = s.Judge(l, r.Verdict, took); !r.Good() && bpf.Permitted() != nil {
		r.Judgement = s.judgeDeaf(l, r.Verdict, took)
	}
	return r.replay()
}

// overloaded says that in the last minute many more programs than this host has
// processors were ready to run (proc(5) loadavg).
func overloaded() bool {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(content), " ")
	load, err := strconv.ParseFloat(first, 64)
	return err == nil && load > float64(8*runtime.NumCPU())
}

// replay judges the stored evidence once more: a log keeps its verdict.
func (r *Result) replay() error {
	rec, _ := r.Recorded()
	_, v, err := rec.Verdicts()
	if err != nil {
		return fmt.Errorf("the document cannot be read back: %w", err)
	}
	if v.Cause != r.Verdict.Cause || v.Confidence != r.Verdict.Confidence || v.Culprit != r.Verdict.Culprit || v.Errno != r.Verdict.Errno {
		r.Defects = append(r.Defects, fmt.Sprintf("the stored evidence is judged otherwise: %s (%s), not %s (%s)",
			v.Cause, v.Confidence, r.Verdict.Cause, r.Verdict.Confidence))
	}
	return nil
}
