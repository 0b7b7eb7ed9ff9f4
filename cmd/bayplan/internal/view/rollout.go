package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// Rollout draws a workload's way to its newest version.
func Rollout(w io.Writer, x *status.Workload, l Look) {
	r := x.Rollout
	fmt.Fprintf(w, "%s  %s  %s\n", l.Paint.Text(show.Strong, show.Clean(x.Name)), l.Paint.Text(stageColour(r.Stage), string(r.Stage)), way(r))
	fmt.Fprintf(w, "  %s\n", slotsText(x, r))
	for _, line := range []struct{ name, text string }{
		{"strategy", r.Strategy}, {"began", began(r, l)}, {"deadline", until(r.Deadline, l)}, {"reason", r.Reason}, {"asked", aside(r)},
		{"traffic", traffic(x)}, {"step", step(x.Proof)}, {"promoted", promoted(x.Proof)}, {"paused", who(r.Paused)}, {"held", held(r.Hold)}, {"waits", r.Waits}, {"next", r.Next},
	} {
		if line.text != "" {
			fmt.Fprintf(w, "  %-9s %s\n", line.name, show.Clean(line.text))
		}
	}
	Runbook(w, x, l)
	if p := x.Proof; p != nil {
		for i := range p.Failed {
			cause(w, &p.Failed[i], l)
		}
	}
	if l.Wide {
		slots(w, []status.Workload{*x}, l)
	}
}

// aside is what the repository asks for while what runs is restarted.
func aside(r *status.Rollout) string {
	if r.Quarantined == "" {
		return ""
	}
	return r.Quarantined.Short() + " failed and stays in quarantine"
}

// traffic is which version should have it, and how long it could go back.
func traffic(x *status.Workload) string {
	if x.Serving == "" {
		return ""
	}
	text := "to " + x.Serving.Short()
	if p := x.Proof; p != nil && !p.Kept.IsZero() {
		text += "; the old set is kept until " + at(p.Kept)
	}
	return text
}

func step(p *status.Proof) string {
	if p == nil || p.Steps == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d done", p.Step, p.Steps)
}

func promoted(p *status.Proof) string {
	if p == nil || p.Promoted == nil {
		return ""
	}
	return at(p.Promoted.At) + " by " + p.Promoted.Actor + reasonAfter(p.Promoted.Reason)
}

func stageColour(s reconciler.Stage) show.Colour {
	switch s {
	case reconciler.Done:
		return show.Good
	case reconciler.Reverting, reconciler.Reverted, reconciler.Stuck:
		return show.Bad
	}
	return show.Warn
}

// way is "from 0123abcd to 4567cdef by commit 89ab".
func way(r *status.Rollout) string {
	var parts []string
	if r.From != "" {
		parts = append(parts, "from "+r.From.Short())
	}
	if r.To != "" {
		parts = append(parts, "to "+r.To.Short())
	}
	if r.Commit != "" {
		parts = append(parts, "by commit "+short(r.Commit))
	}
	if r.Restarts > 0 {
		parts = append(parts, fmt.Sprintf("(restart %d)", r.Restarts))
	}
	return strings.Join(parts, " ")
}

func slotsText(x *status.Workload, r *status.Rollout) string {
	if back := r.Stage == reconciler.Reverting || r.Stage == reconciler.Reverted; back && r.From != "" {
		return fmt.Sprintf("%d of %d slots are back on %s, %d moving, %d left", r.Done, x.Desired, r.From.Short(), r.Moving, r.Left)
	}
	return fmt.Sprintf("%d of %d slots done, %d moving, %d left", r.Done, x.Desired, r.Moving, r.Left)
}

func began(r *status.Rollout, l Look) string {
	if r.Began.IsZero() {
		return ""
	}
	return show.Since(l.Now, r.Began) + " ago"
}

func until(t time.Time, l Look) string {
	if t.IsZero() || r0(t.Sub(l.Now)) <= 0 {
		return ""
	}
	return "in " + show.Took(r0(t.Sub(l.Now))) + " if it gets no further"
}

func r0(d time.Duration) time.Duration { return d.Round(time.Second) }

func who(p *reconciler.Pause) string {
	if p == nil {
		return ""
	}
	return at(p.At) + " by " + p.Actor + reasonAfter(p.Reason)
}

func held(h *reconciler.Hold) string {
	if h == nil {
		return ""
	}
	return at(h.At) + " by " + h.Actor + reasonAfter(h.Reason) + ", until " + at(h.Until)
}

func at(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func reasonAfter(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
