package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// rolloutVerb is the verb's flags.
type rolloutVerb struct {
	reading
	timeout time.Duration
}

func newRolloutCommand() *cobra.Command {
	v := &rolloutVerb{}
	cmd := &cobra.Command{
		Use:   "rollout WORKLOAD",
		Short: "Show how far a workload is on its way to its newest version",
		Long: `Rollout shows a workload's way from one version to another: by which strategy,
how far it is, what it waits for and until when, and who paused or holds it. With
-w it stays until the end: exit code 0 where the newest version runs, 1 where it
went back or failed, 7 when --timeout is over.`,
		Example: "  bayplan rollout shop/web\n  bayplan rollout shop/web -w --timeout 10m",
		Args:    takes("WORKLOAD"),
		RunE:    func(cmd *cobra.Command, args []string) error { return v.run(cmd, args[0]) },
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, workloadNames)
	v.addFlags(cmd)
	cmd.Flags().BoolVarP(&v.watch, "watch", "w", false, "stay, show each change, and end as the rollout does")
	cmd.Flags().DurationVar(&v.timeout, "timeout", 0, "with --watch: how long at most; 0 is without end")
	return cmd
}

func (v *rolloutVerb) run(cmd *cobra.Command, name string) error {
	if v.timeout < 0 || v.timeout > 0 && !v.watch {
		return exit.Usagef("bayplan rollout "+name+" -w --timeout 10m", "--timeout is how long to watch: want -w, and more than 0")
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
	if v.watch {
		return v.follow(cmd, c, name)
	}
	w, err := rolloutIn(r.Msg.Json, name)
	if err != nil {
		return err
	}
	return v.print(cmd, w)
}

// rolloutIn is the workload of a status.
func rolloutIn(raw []byte, name string) (*status.Workload, error) {
	st, err := document[status.Status](raw)
	if err != nil {
		return nil, err
	}
	for i := range st.Workloads {
		switch w := &st.Workloads[i]; {
		case w.Name == name && w.Rollout == nil:
			return nil, &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s is a %s: it has runs, and no rollout", name, w.Kind), Next: "bayplan status " + name}
		case w.Name == name:
			return w, nil
		}
	}
	return nil, &exit.Error{Code: exit.Failure, Err: fmt.Errorf("there is no workload %s", name), Next: "bayplan status"}
}

// rolloutDocument is what `rollout -o json` prints.
type rolloutDocument struct {
	Schema   string          `json:"schema"`
	Workload string          `json:"workload"`
	State    string          `json:"state"`
	Rollout  *status.Rollout `json:"rollout"`
	Slots    []status.Slot   `json:"slots"`
}

func (v *rolloutVerb) print(cmd *cobra.Command, w *status.Workload) error {
	if v.format.People() {
		view.Rollout(cmd.OutOrStdout(), w, v.look(cmd))
		return nil
	}
	raw, err := show.Encode(rolloutDocument{status.Schema, w.Name, w.State, w.Rollout, w.Slots})
	if err != nil {
		return err
	}
	if v.watch {
		return show.Stream(cmd.OutOrStdout(), v.format, raw)
	}
	return show.Document(cmd.OutOrStdout(), v.format, raw)
}

// errArrived stops the watch of a rollout that has ended.
var errArrived = errors.New("the rollout has ended")

// follow prints what changes until the rollout has ended or the time is over.
func (v *rolloutVerb) follow(cmd *cobra.Command, c *client.Client, name string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	if v.timeout > 0 {
		ctx, cancel = context.WithTimeout(cmd.Context(), v.timeout)
	}
	defer cancel()
	var last *status.Workload
	var anew schema.Digest // what is restarted where another version is asked for
	said := ""
	watcher := statusWatcher(cmd, c, name, func(raw []byte) error {
		w, err := rolloutIn(raw, name)
		if err != nil && last != nil {
			return errArrived // it left the repository, and is gone
		}
		if err != nil {
			return err
		}
		if last = w; w.Rollout.Quarantined != "" {
			anew = w.Rollout.To
		}
		if text := v.line(w); text != said {
			said = text
			if err := v.print(cmd, w); err != nil {
				return err
			}
		}
		if w.Rollout.Ended() {
			return errArrived
		}
		return nil
	})
	watcher.Patient = true
	err := watcher.Run(ctx)
	switch {
	case errors.Is(err, errArrived):
		return rolloutVerdict(last, anew)
	case timeIsOver(ctx, err):
		return &exit.Error{Code: exit.Timeout, Err: fmt.Errorf("after %s %s has not ended", v.timeout, name), Next: "bayplan rollout " + name}
	}
	return untilInterrupt(cmd.Context(), err)
}

// line is what of a rollout is news.
func (v *rolloutVerb) line(w *status.Workload) string {
	var b strings.Builder
	view.Rollout(&b, w, view.Look{Now: w.Rollout.Began, Wide: v.format == show.Wide})
	return b.String()
}

// rolloutVerdict is how the verb ends. A restart of what a workload went back to,
// the version anew, ends well where that runs.
func rolloutVerdict(w *status.Workload, anew schema.Digest) error {
	switch r := w.Rollout; r.Stage {
	case reconciler.Reverted:
		if anew != "" && r.From == anew {
			return nil
		}
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s went back: %s", w.Name, r.Reason), Next: "bayplan events " + w.Name}
	case reconciler.Stuck:
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s failed: %s", w.Name, r.Reason), Next: "bayplan events " + w.Name}
	}
	return nil
}
