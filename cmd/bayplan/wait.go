package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

var commitPattern = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

func isCommit(s string) bool { return commitPattern.MatchString(s) }

// errEnded stops the watch that a wait is.
var errEnded = errors.New("the commit has ended")

// waitFor watches until the commit has ended or the time is over.
func (v *statusVerb) waitFor(cmd *cobra.Command, c *client.Client, match string) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), v.timeout)
	defer cancel()
	found, said := sighting{}, ""
	var last []byte
	watcher := statusWatcher(cmd, c, match, func(raw []byte) error {
		st, err := document[status.Status](raw)
		if err != nil {
			return err
		}
		if found, err = v.sight(st); err != nil {
			return err
		}
		last = raw
		if found.ended() {
			return errEnded
		}
		if text := found.waits(v.revision); text != said && show.IsTerminal(cmd.ErrOrStderr()) {
			said = text
			talk(cmd, "%s", text)
		}
		return nil
	})
	watcher.Patient = true
	err := watcher.Run(ctx)
	switch {
	case errors.Is(err, errEnded):
		return v.finish(cmd, last, found)
	case timeIsOver(ctx, err):
		return v.late(err, last != nil, found)
	}
	return err
}

// timeIsOver is whether a call ended with the time that ctx gave it, which the
// server may notice a moment before.
func timeIsOver(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || connect.CodeOf(err) == connect.CodeDeadlineExceeded
}

// late is the end of a wait whose time is over: 69 where the server was never
// reached, since then nothing was waited for.
func (v *statusVerb) late(err error, reached bool, s sighting) error {
	if !reached {
		return &exit.Error{Code: exit.Unreachable, Err: fmt.Errorf("after %s %w", v.timeout, client.Classify(err)), Next: "bayplan doctor"}
	}
	return &exit.Error{Code: exit.Timeout, Err: fmt.Errorf("after %s %s", v.timeout, s.waits(v.revision)), Next: "bayplan status"}
}

// finish prints what became of the commit and ends as it did.
func (v *statusVerb) finish(cmd *cobra.Command, raw []byte, s sighting) error {
	if v.format.People() {
		view.Revision(cmd.OutOrStdout(), s.revision, v.look(cmd))
	} else if err := show.Document(cmd.OutOrStdout(), v.format, raw); err != nil {
		return err
	}
	return s.verdict()
}

// sighting is a commit as a status shows it; its revision is nil while the
// server has not seen it.
type sighting struct {
	revision *status.Revision
	// newer is the first commit after it that was looked at, "" for the newest.
	newer string
	// evaluating is the commit itself before it is decided about; nil unless
	// that takes long.
	evaluating *status.Evaluating
}

// sight finds the commit that is waited for: of the repository that is named, or of
// the one that has it.
func (v *statusVerb) sight(st *status.Status) (found sighting, err error) {
	switch {
	case v.of.name != "":
		if st, err = v.of.narrow(st); err != nil {
			return found, err
		}
		return sight(st, v.revision)
	case len(st.Repos) == 0 || v.revision == "":
		return sight(st.Of(""), v.revision)
	}
	for _, name := range st.RepoNames() {
		repo, _ := st.RepoNamed(name)
		one, err := sight(st.Of(repo), v.revision)
		switch {
		case err != nil:
			return found, err
		case one.revision == nil && one.evaluating == nil:
		case found.revision != nil || found.evaluating != nil:
			return found, exit.Usagef("say which one: --repo "+name, "%s is in more than one repository", v.revision)
		default:
			found = one
		}
	}
	return found, nil
}

// sight finds the commit that begins with prefix; "" is the newest. A prefix of
// several commits is an error.
func sight(st *status.Status, prefix string) (sighting, error) {
	prefix = strings.ToLower(prefix)
	if e := st.Evaluating; e != nil && strings.HasPrefix(e.Commit, prefix) {
		return sighting{evaluating: e}, nil
	}
	var s sighting
	newer := ""
	for i := range len(st.History) + 1 {
		r := &st.Revision
		if i > 0 {
			r = &st.History[i-1]
		}
		if r.Commit == "" {
			continue
		}
		if strings.HasPrefix(r.Commit, prefix) {
			if prefix == "" {
				return sighting{revision: r}, nil
			}
			if s.revision != nil && s.revision.Commit != r.Commit {
				return s, exit.Usagef("give more digits", "%s begins more than one commit: %s, %s", prefix, s.revision.Commit, r.Commit)
			}
			if s.revision == nil {
				s = sighting{revision: r, newer: newer}
			}
		}
		if newer == "" || r.Outcome != reconciler.Superseded {
			newer = r.Commit
		}
	}
	return s, nil
}

func (s sighting) ended() bool { return s.revision != nil && s.revision.Outcome.Ended() }

// waits tells what a commit that has not ended is waiting for.
func (s sighting) waits(prefix string) string {
	switch {
	case s.evaluating != nil:
		return fmt.Sprintf("%s is being evaluated since %s", shortCommit(s.evaluating.Commit), s.evaluating.Since.Local().Format(time.TimeOnly))
	case s.revision == nil && prefix == "":
		return "the server has seen no commit yet"
	case s.revision == nil:
		return "the server has not seen " + prefix + " yet"
	case s.revision.Reason != "":
		return fmt.Sprintf("%s is still %s: %s", shortCommit(s.revision.Commit), progress(s.revision.Outcome), s.revision.Reason)
	}
	return fmt.Sprintf("%s is still %s", shortCommit(s.revision.Commit), progress(s.revision.Outcome))
}

func progress(o reconciler.Outcome) string {
	if o == "" {
		return string(reconciler.Progressing)
	}
	return string(o)
}

// verdict is how the wait for an ended commit ends.
func (s sighting) verdict() error {
	r := s.revision
	text, next := fmt.Sprintf("%s is %s", shortCommit(r.Commit), r.Outcome), "bayplan status"
	switch r.Outcome {
	case reconciler.Applied, reconciler.NoEffect:
		return nil
	case reconciler.Held:
		next = "bayplan approve " + shortCommit(r.Commit)
	case reconciler.Superseded:
		if s.newer != "" {
			next = "bayplan status --wait --revision " + shortCommit(s.newer)
		}
	}
	return &exit.Error{Code: exit.Failure, Err: errors.New(text + s.why()), Next: next}
}

// why is the reason as it follows the outcome: the list behind what is held,
// the newer commit behind what it replaced.
func (s sighting) why() string {
	r := s.revision
	text := r.Reason
	switch {
	case r.Outcome == reconciler.Superseded && text == "" && s.newer != "":
		text = "by " + shortCommit(s.newer)
	case len(r.Removals) > 0:
		text += ": " + strings.Join(r.Removals, ", ")
	}
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, "by "):
		return " " + text
	}
	return ": " + text
}

func shortCommit(c string) string { return c[:min(10, len(c))] }
