package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/view"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// reading is what the verbs that read from a server have in common.
type reading struct {
	conn   client.Config
	format show.Format
	watch  bool
}

// addFlags gives a verb --server and the like, and -o.
func (r *reading) addFlags(cmd *cobra.Command) {
	r.conn.AddFlags(cmd.Flags())
	r.format = show.Table
	addFormat(cmd, &r.format)
}

func addFormat(cmd *cobra.Command, f *show.Format, more ...string) {
	f.AddFlag(cmd.Flags(), more...)
	err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(slices.Concat(show.Formats, more), cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err)
	}
}

func (r *reading) addWatch(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&r.watch, "watch", "w", false, "stay and show each change")
}

// look is how this verb draws on its standard output.
func (r *reading) look(cmd *cobra.Command) view.Look {
	return view.Look{Now: time.Now(), Paint: show.PaintFor(cmd.OutOrStdout()), Wide: r.format == show.Wide}
}

// talk tells the user something that is no data.
func talk(cmd *cobra.Command, format string, a ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "bayplan: "+format+"\n", a...)
}

// document reads a document of the server's.
func document[T any](raw []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(raw, v); err != nil {
		return nil, &exit.Error{Code: exit.Failure, Err: fmt.Errorf("the server's answer: %w", err), Next: "bayplan doctor"}
	}
	return v, nil
}

// untilInterrupt makes Ctrl-C the ordinary end of a verb that would stay
// forever.
func untilInterrupt(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	return err
}

// statusWatcher reads statuses until each fails.
func statusWatcher(cmd *cobra.Command, c *client.Client, match string, each func(raw []byte) error) client.Watcher {
	return client.Watcher{
		Open: func(ctx context.Context) (*connect.ServerStreamForClient[controlpb.Document], error) {
			return c.WatchStatus(ctx, connect.NewRequest(&controlpb.StatusRequest{Match: match}))
		},
		Each:   each,
		Notice: func(text string) { talk(cmd, "%s", text) },
	}
}

// watchStatus shows each status as a text. A terminal gets it again every
// second, since ages grow; elsewhere it is appended when more has changed than
// the time.
func (r *reading) watchStatus(cmd *cobra.Command, c *client.Client, match string, text func(*status.Status, view.Look) string) error {
	screen, still, last := show.NewScreen(cmd.OutOrStdout()), r.look(cmd), ""
	return r.eachStatus(cmd, c, match, func(st *status.Status) error {
		key := text(unheard(st), still)
		if !screen.Redraws() && key == last {
			return nil
		}
		last = key
		return screen.Draw(text(st, r.look(cmd)))
	})
}

// part prints a part of the status: text draws it, cut makes its document.
func (r *reading) part(cmd *cobra.Command, text func(*status.Status, view.Look) string, cut func(raw []byte) ([]byte, error)) error {
	c, err := r.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if r.watch && r.format.People() {
		return r.watchStatus(cmd, c, "", text)
	}
	if r.watch {
		news := r.streamNews(cmd)
		return untilInterrupt(cmd.Context(), statusWatcher(cmd, c, "", func(raw []byte) error {
			doc, err := cut(raw)
			if err != nil {
				return err
			}
			return news(doc)
		}).Run(cmd.Context()))
	}
	answer, err := c.Status(cmd.Context(), connect.NewRequest(&controlpb.StatusRequest{}))
	if err != nil {
		return err
	}
	return r.printPart(cmd, answer.Msg.Json, text, cut)
}

func (r *reading) printPart(cmd *cobra.Command, raw []byte, text func(*status.Status, view.Look) string, cut func(raw []byte) ([]byte, error)) error {
	if !r.format.People() {
		doc, err := cut(raw)
		if err != nil {
			return err
		}
		return show.Document(cmd.OutOrStdout(), r.format, doc)
	}
	st, err := document[status.Status](raw)
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text(st, r.look(cmd)))
	return err
}

// unheard is st without when nodes were heard last, which alone is no news.
func unheard(st *status.Status) *status.Status {
	quiet := *st
	quiet.Nodes = slices.Clone(st.Nodes)
	for i := range quiet.Nodes {
		quiet.Nodes[i].Heard = time.Time{}
	}
	return &quiet
}

// streamNews prints the documents that differ by more than when nodes were
// heard, with what else this client does not know.
func (r *reading) streamNews(cmd *cobra.Command) func(raw []byte) error {
	var last []byte
	return func(raw []byte) error {
		key, err := withoutHeard(raw)
		if err != nil || bytes.Equal(key, last) {
			return err
		}
		last = key
		return show.Stream(cmd.OutOrStdout(), r.format, raw)
	}
}

func withoutHeard(raw []byte) ([]byte, error) {
	doc, err := document[map[string]any](raw)
	if err != nil {
		return nil, err
	}
	nodes, _ := (*doc)["nodes"].([]any)
	for _, n := range nodes {
		if fields, ok := n.(map[string]any); ok {
			delete(fields, "heard")
		}
	}
	return json.Marshal(doc)
}

// eachStatus calls draw with each status, and every second with the last one
// where drawing it again helps.
func (r *reading) eachStatus(cmd *cobra.Command, c *client.Client, match string, draw func(*status.Status) error) error {
	ctx, stop := context.WithCancel(cmd.Context())
	newest, ended := make(chan *status.Status), make(chan error, 1)
	go func() {
		ended <- statusWatcher(cmd, c, match, func(raw []byte) error {
			st, err := document[status.Status](raw)
			if err != nil {
				return err
			}
			select {
			case newest <- st:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}).Run(ctx)
	}()
	err, running := drawAll(newest, ended, again(cmd), draw)
	stop()
	if running {
		<-ended
	}
	return untilInterrupt(cmd.Context(), err)
}

// drawAll returns draw's error, or the watch's; running is whether the watch
// still goes on.
func drawAll(newest <-chan *status.Status, ended <-chan error, tick <-chan time.Time, draw func(*status.Status) error) (err error, running bool) {
	var st *status.Status
	for {
		select {
		case st = <-newest:
		case <-tick:
		case err := <-ended:
			return err, false
		}
		if st == nil {
			continue
		}
		if err := draw(st); err != nil {
			return err, true
		}
	}
}

// again ticks where drawing the same facts once more helps.
func again(cmd *cobra.Command) <-chan time.Time {
	if show.NewScreen(cmd.OutOrStdout()).Redraws() {
		return time.Tick(time.Second)
	}
	return nil
}
