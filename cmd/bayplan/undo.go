package main

import (
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// undoVerb is the verb's flags.
type undoVerb struct {
	wish
	evaluating
	noCommit bool
}

func newUndoCommand() *cobra.Command {
	v := &undoVerb{wish: wish{verb: reconciler.UndoRollout}}
	cmd := &cobra.Command{
		Use:   "undo WORKLOAD",
		Short: "Go back to the version before, and make the commit that says so",
		Long: `Undo, typed in your clone, has a workload go back to the version that was good
before this one, and makes the commit that reverts its files on a branch of its
own; your work tree and your branch stay as they are. Push it as it prints. Until
that lands the workload stays on the old version, whatever else is pushed: that
ends with ` + "`bayplan release`" + `, and by itself after --for.

It is refused where your work tree has changes, where your clone lacks the commits,
or where the files cannot be reverted without changing other workloads. With
--no-commit it only goes back, and the revert is yours to make.`,
		Example: "  bayplan undo shop/web --reason 'twice the errors'\n  bayplan undo shop/web --no-commit",
		Args:    takes("WORKLOAD"),
		RunE:    func(cmd *cobra.Command, args []string) error { return v.run(cmd, args[0]) },
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, workloadsThat(func(w *status.Workload) bool {
		return w.Rollout != nil && w.Rollout.Undo != "" && w.Rollout.Hold == nil
	}))
	v.conn.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&v.reason, "reason", "", "why, for the record and for those who ask later")
	cmd.Flags().DurationVar(&v.lasts, "for", 0, "how long it stays on the old version at most (24h if not said)")
	cmd.Flags().BoolVar(&v.noCommit, "no-commit", false, "go back, and make no commit")
	v.evaluating.addFlags(cmd)
	v.open = true
	return cmd
}

func (v *undoVerb) run(cmd *cobra.Command, name string) error {
	if v.noCommit {
		return v.ask(cmd, name)
	}
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Status(cmd.Context(), connect.NewRequest(&controlpb.StatusRequest{Match: name}))
	if err != nil {
		return err
	}
	st, err := document[status.Status](r.Msg.Json)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(st.Workloads, func(w status.Workload) bool { return w.Name == name && w.Rollout != nil })
	if at < 0 || st.Workloads[at].Rollout.Undo == "" || st.Workloads[at].Rollout.Hold != nil {
		return v.ask(cmd, name) // which is refused, with the reason
	}
	w := &st.Workloads[at]
	info, err := c.Info(cmd.Context(), connect.NewRequest(&controlpb.InfoRequest{}))
	if err != nil {
		return err
	}
	u := &undoing{follows: info.Msg.Branch, cmd: cmd, workload: name, back: w.Rollout.Undo, tip: st.Revision.Commit, within: v.evaluating}
	for i := range st.Repos {
		if r := &st.Repos[i]; r.Name == w.Repo {
			u.follows, u.tip = r.Branch, r.Revision.Commit
		}
	}
	if err := u.prepare(); err != nil {
		return err
	}
	if err := v.ask(cmd, name); err != nil {
		return err
	}
	return u.commit(v.reason)
}

// undoing is a revert on its way.
type undoing struct {
	cmd                 *cobra.Command
	workload, back, tip string
	follows             string // the branch that the server follows
	within              evaluating
	clone               *source.Clone
	branch              string
	files               []string
}

// refused tells why no revert can be made, before anything is done.
func (u *undoing) refused(next, format string, a ...any) error {
	return &exit.Error{Code: exit.Failure, Err: fmt.Errorf(format, a...), Next: next + ", or without a commit: bayplan undo --no-commit " + u.workload}
}

// prepare finds the files to revert.
func (u *undoing) prepare() (err error) {
	if u.clone, err = source.OpenClone("."); err != nil {
		return u.refused("go to your clone of the repository", "here is no clone of the repository: %w", err)
	}
	dirty, err := u.clone.Dirty()
	switch {
	case err != nil:
		return err
	case len(dirty) > 0:
		return u.refused("commit or stash it", "your work tree has changes: %s", strings.Join(dirty[:min(3, len(dirty))], ", "))
	case !u.clone.Has(u.tip) || !u.clone.Has(u.back):
		return u.refused("git fetch", "your clone lacks commit %s or %s", shortCommit(u.tip), shortCommit(u.back))
	}
	u.branch = "undo/" + strings.ReplaceAll(u.workload, "/", "-") + "-" + shortCommit(u.tip)
	if u.clone.HasBranch(u.branch) {
		return u.refused("git branch -D "+u.branch, "branch %s is there already", u.branch)
	}
	return u.separate()
}

// separate looks for files of the team's folder that, as they were, give the
// workload its old version and leave all others alone: one file if one will do.
func (u *undoing) separate() error {
	folder := path.Dir(u.workload)
	files, err := u.clone.Differ(u.tip, u.back, folder)
	if err != nil {
		return err
	}
	now, err := u.evaluate(nil)
	if err != nil {
		return err
	}
	old, err := u.evaluateAt(u.back, nil)
	if err != nil {
		return err
	}
	want := old.Workload(u.workload)
	var tries [][]string
	for _, f := range files {
		tries = append(tries, []string{f})
	}
	for _, try := range append(tries, files) {
		then, err := u.evaluate(try)
		if err != nil {
			return err
		}
		if is := then.Workload(u.workload); len(try) > 0 && want != nil && is != nil && is.Digest() == want.Digest() && sameOthers(&now, &then, u.workload) {
			u.files = try
			return nil
		}
	}
	return u.refused("revert it by hand: git revert", "the files of %s in %s cannot be taken back to %s without changing other workloads", u.workload, folder, shortCommit(u.back))
}

// sameOthers is whether all but one workload are the same.
func sameOthers(a, b *schema.Spec, but string) bool {
	if len(a.Workloads) != len(b.Workloads) {
		return false
	}
	for i := range a.Workloads {
		if a.Workloads[i].Name != but && !reflect.DeepEqual(a.Workloads[i], b.Workloads[i]) {
			return false
		}
	}
	return true
}

// evaluate is the tip's tree with some files as they were.
func (u *undoing) evaluate(files []string) (schema.Spec, error) { return u.evaluateAt(u.tip, files) }

func (u *undoing) evaluateAt(commit string, files []string) (spec schema.Spec, err error) {
	dir, err := os.MkdirTemp("", "bayplan-undo-")
	if err != nil {
		return spec, err
	}
	defer os.RemoveAll(dir)
	if err := u.clone.CheckOut(commit, dir); err != nil {
		return spec, err
	}
	if len(files) > 0 {
		if err := u.clone.CheckOut(u.back, dir, files...); err != nil {
			return spec, err
		}
	}
	return u.within.load(u.cmd, dir)
}

// commit makes the branch and tells how to push it.
func (u *undoing) commit(reason string) error {
	message := fmt.Sprintf("%s: back to %s\n\nThis takes back %s as of %s.\n", u.workload, shortCommit(u.back), strings.Join(u.files, ", "), u.back)
	if reason != "" {
		message = fmt.Sprintf("%s: back to %s\n\n%s\n\nThis takes back %s as of %s.\n", u.workload, shortCommit(u.back), reason, strings.Join(u.files, ", "), u.back)
	}
	commit, err := u.clone.Branch(u.branch, u.tip, u.back, u.files, message)
	if err != nil {
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s goes back, and its revert could not be committed: %w", u.workload, err), Next: "revert it by hand, and push that"}
	}
	fmt.Fprintf(u.cmd.OutOrStdout(), "branch %s has the revert, %s: %s\n", u.branch, shortCommit(commit), strings.Join(u.files, ", "))
	talk(u.cmd, "for review: git push origin %s", u.branch)
	talk(u.cmd, "or at once: git push origin %s:%s", u.branch, u.follows)
	return nil
}
