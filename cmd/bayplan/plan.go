package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/tree"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// planning is the verb's flags.
type planning struct {
	reading
	evaluating
	of       ofRepo
	exitCode bool
	live     bool
	snapshot string
	pin      bool
}

func newPlanCommand() *cobra.Command {
	p := &planning{}
	cmd := &cobra.Command{
		Use:   "plan [BASE..HEAD | DIR]",
		Short: "Show what a tree would change, what that causes, and where it lands",
		Long: `Plan evaluates a tree and shows what it would change field by field and where
that stands, which containers that starts, restarts, moves and stops and on which
node each slot would be, what it would use before, at its peak and after, whom it
would evict, what finds no place and by how little, what would be pulled from
where, and what would be Held. It decides with the same function that the server
reconciles with; nothing is changed.

There are two modes, and the last line names which one it is. With DIR, or
without an argument the top of the Git work tree that you are in, committed or
not, the tree is compared with the live cluster. With BASE..HEAD, two commits of
the repository that you are in, HEAD is compared with BASE as if BASE had been
carried out in full; BASE...HEAD begins where HEAD left BASE, and --live compares
HEAD with the live cluster all the same. The last line also names the state that
the plan was decided on: the same texts and the same state give the same plan.

With --snapshot no server is asked: the state is the one that bayplan snapshot
wrote to that file, and the digests of images are those that it knows.

With --pin the plan is approved and recorded by the server, where the repository
says ` + "`cluster: gates: pinPlans: true`" + `: whatever way the same changes come to the
branch, their commit is applied, and Held if anything but the place of a slot would
be otherwise by then.

Where the server follows several repositories, the tree is the operators' unless
--repo names another; --operators is then a tree of the operators', whose policy and
pools hold for it, too.

What looks like a secret is not shown, only that it differs. An image that no
registry has is a warning beside its workload: it may come yet.

A BASE that is not valid is told of and keeps nothing back: HEAD is compared with
what is in force for the teams that do not evaluate there, or with the live cluster
where nothing does.

Exit codes: 4 when a slot finds no place, 5 when the tree, or HEAD, is not valid, and
with --exit-code 2 when there are changes.`,
		Example: "  bayplan plan\n  bayplan plan ./deploy --exit-code -o json\n  bayplan plan origin/main...HEAD\n  bayplan plan main..HEAD --snapshot harbour.json",
		Args:    takes("[BASE..HEAD | DIR]"),
		RunE:    p.run,
	}
	p.reading.addFlags(cmd)
	p.evaluating.addFlags(cmd)
	p.of.addFlag(cmd, &p.conn)
	cmd.Flags().BoolVar(&p.exitCode, "exit-code", false, "exit with 2 when there are changes")
	cmd.Flags().BoolVar(&p.live, "live", false, "compare HEAD with the live cluster, not with BASE")
	cmd.Flags().BoolVar(&p.pin, "pin", false, "approve the plan: its commit is Held if anything else would happen")
	cmd.Flags().StringVar(&p.snapshot, "snapshot", "", "ask no server: decide on the state in this file (bayplan snapshot)")
	return cmd
}

// text is one side of a comparison: a tree and what it evaluates to.
type text struct {
	files fs.FS
	spec  schema.Spec
}

func (p *planning) run(cmd *cobra.Command, args []string) error {
	if p.pin && p.snapshot != "" {
		return exit.Usagef("bayplan plan --help", "--pin has the server record the plan, and --snapshot asks no server: take one of them")
	}
	if p.of.name != "" && p.operators == "" {
		return exit.Usagef("--operators DIR", "a plan for repository %s wants the operators' part that it is held to", p.of.name)
	}
	p.open = p.snapshot == ""
	head, base, broken, err := p.texts(cmd, args)
	if err != nil {
		return err
	}
	if broken != nil {
		p.tellBroken(cmd, base, broken)
	}
	if p.live {
		base = nil
	}
	preview, err := p.ask(cmd, head, base)
	if err != nil {
		return err
	}
	locate(cmd.Context(), preview.Changes, head, base, p.places())
	return p.show(cmd, preview)
}

// texts evaluates what the verb is about; base is nil for a folder. broken is why
// BASE is not valid; base then is what evaluates of it, or nil.
func (e *evaluating) texts(cmd *cobra.Command, args []string) (head, base *text, broken, err error) {
	if len(args) == 0 || !tree.IsRange(args[0]) {
		dir, err := tree.Root(args)
		if err != nil {
			return nil, nil, nil, err
		}
		spec, err := e.load(cmd, dir)
		if err != nil {
			return nil, nil, nil, invalid(cmd, dir, err, true)
		}
		return &text{os.DirFS(filepath.Join(dir, e.root)), spec}, nil, nil, nil
	}
	dir, err := tree.Root(nil)
	if err != nil {
		return nil, nil, nil, err
	}
	commits, err := tree.ParseRange(cmd.Context(), dir, args[0])
	if err != nil {
		return nil, nil, nil, err
	}
	if head, err = e.side(cmd, dir, "HEAD ", commits.Head); err != nil {
		return nil, nil, nil, err
	}
	base, err = e.side(cmd, dir, "BASE ", commits.Base)
	if x, is := errors.AsType[*exit.Error](err); is && x.Code == exit.Invalid {
		return head, base, err, nil
	}
	return head, base, nil, err
}

// at evaluates a commit.
func (e *evaluating) at(cmd *cobra.Command, dir string, r schema.Revision) (*text, error) {
	return e.side(cmd, dir, "", r)
}

// side is at for a commit that goes by a name. With an error it is what evaluates
// of it, nil where nothing does.
func (e *evaluating) side(cmd *cobra.Command, dir, name string, r schema.Revision) (*text, error) {
	files, err := tree.At(cmd.Context(), dir, r.Commit)
	if err != nil {
		return nil, err
	}
	if files, err = e.within(files); err != nil {
		return nil, err
	}
	spec, err := e.loadAt(cmd, files, r)
	if err == nil {
		return &text{files, spec}, nil
	}
	err = invalid(cmd, name+r.Short(), err, true)
	if len(spec.Teams) == 0 {
		return nil, err
	}
	return &text{files, spec}, err
}

// tellBroken says what HEAD is compared with where BASE is not valid: that is not
// HEAD's fault, and may be what HEAD mends.
func (p *planning) tellBroken(cmd *cobra.Command, base *text, broken error) {
	other := "the live cluster"
	if p.snapshot != "" {
		other = "the state in " + p.snapshot
	}
	if base != nil && !p.live {
		other = "what is in force for the teams of BASE that are not"
	}
	talk(cmd, "%v; HEAD is valid, and compared with %s", broken, other)
}

// ask has the plan decided, by the server or on the snapshot.
func (p *planning) ask(cmd *cobra.Command, head, base *text) (*status.Preview, error) {
	if p.snapshot != "" {
		return planOn(p.snapshot, p.of.name, head, base)
	}
	c, err := p.conn.Dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	request := &controlpb.PlanRequest{Pin: p.pin, Actor: client.Actor()}
	if p.of.name != "" {
		if request.Repo, err = p.of.ask(cmd, c); err != nil {
			return nil, err
		}
	}
	if request.Spec, err = json.Marshal(head.spec); err != nil {
		return nil, err
	}
	if base != nil {
		if request.Base, err = json.Marshal(base.spec); err != nil {
			return nil, err
		}
	}
	r, err := c.Plan(cmd.Context(), connect.NewRequest(request))
	if connect.CodeOf(err) == connect.CodeInvalidArgument {
		return nil, &exit.Error{Code: exit.Invalid, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return document[status.Preview](r.Msg.Json)
}

func (p *planning) show(cmd *cobra.Command, preview *status.Preview) error {
	if p.format.People() {
		view.Preview(cmd.OutOrStdout(), preview, p.look(cmd))
	} else if err := show.Value(cmd.OutOrStdout(), p.format, preview); err != nil {
		return err
	}
	if p.pin {
		talk(cmd, "the plan is pinned: its commit is applied if just this would happen by then, and Held otherwise")
	}
	return p.end(preview)
}

// end is the exit code that a preview asks for: no place goes before changes.
func (p *planning) end(preview *status.Preview) error {
	switch n := len(preview.Unplaced); {
	case n > 0:
		return &exit.Error{Code: exit.Unplaced, Err: fmt.Errorf("no place for %s", plural(n, "slot")), Next: "ask for less, loosen the constraints, or add a node (`bayplan node token`)"}
	case p.exitCode && len(preview.Changes)+len(preview.Cluster) > 0:
		return exit.Silent(exit.Changes)
	}
	return nil
}
