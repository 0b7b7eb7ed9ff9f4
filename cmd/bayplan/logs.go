package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// logsVerb is the verb's flags.
type logsVerb struct {
	reading
	follow, timestamps bool
	tail               int32
	since              time.Duration
	container          string
}

func newLogsCommand() *cobra.Command {
	v := &logsVerb{}
	cmd := &cobra.Command{
		Use:   "logs WORKLOAD|SLOT",
		Short: "Print what containers write",
		Long: `Logs prints the output of a workload's containers, or of one slot's. Where there
are several slots each line begins with its slot. With -f it stays, also while the
server restarts; slots that appear later, and containers that start again, join in.`,
		Example: "  bayplan logs shop/web -f\n  bayplan logs shop/web.0 --tail 100 --timestamps\n  bayplan logs shop/web --since 10m",
		Args:    takes("WORKLOAD"),
		RunE:    v.run,
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, slotsAndWorkloads)
	v.addFlags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&v.follow, "follow", "f", false, "stay and print what comes")
	f.BoolVarP(&v.follow, "watch", "w", false, "the same as --follow")
	f.StringVarP(&v.container, "container", "c", "", "of the slot's containers the one of this name, such as an init or a sidecar")
	f.BoolVar(&v.timestamps, "timestamps", false, "begin each line with its time")
	f.Int32Var(&v.tail, "tail", -1, "begin with so many of the last lines; -1 is all")
	f.DurationVar(&v.since, "since", 0, "leave out what is older, such as 10m")
	return cmd
}

func (v *logsVerb) run(cmd *cobra.Command, args []string) error {
	if v.since < 0 {
		return exit.Usagef("bayplan logs --help", "--since is how far to look back: want no less than 0")
	}
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	names, err := v.slots(cmd, c, args[0])
	if err != nil {
		return err
	}
	ask := &controlpb.LogsRequest{Of: args[0], Tail: v.tail, Timestamps: v.timestamps, SinceSeconds: seconds(v.since), Container: v.container}
	if v.follow {
		return untilInterrupt(cmd.Context(), v.stay(cmd, c, ask, names))
	}
	s, err := c.Logs(cmd.Context(), connect.NewRequest(ask))
	if err != nil {
		return err
	}
	return v.copy(cmd, s, names)
}

// seconds is d in whole ones, rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// errAllEnded is the end of a log that is followed: its workload is gone.
var errAllEnded = errors.New("the logs ended")

// stay prints what comes, across the server's restarts.
func (v *logsVerb) stay(cmd *cobra.Command, c *client.Client, ask *controlpb.LogsRequest, names []string) error {
	out := v.printer(cmd, names)
	lines := newResumed(v.timestamps, time.Now().Add(-v.since), out.print)
	ask.Follow, ask.Timestamps = true, true
	err := client.Reconnect{Notice: func(text string) { talk(cmd, "%s", text) }}.Run(cmd.Context(), func(ctx context.Context, up func()) error {
		s, err := c.Logs(ctx, connect.NewRequest(ask))
		if err != nil {
			return err
		}
		err = client.Read(s, func() { up(); ask.Tail = -1 }, func(m *controlpb.LogChunk) error { return v.chunk(cmd, lines, m) })
		ask.SinceSeconds = seconds(lines.restart(time.Now()))
		return cmp.Or(err, errAllEnded)
	})
	if ended := out.end(); ended != nil {
		return ended
	}
	if errors.Is(err, errAllEnded) {
		return nil
	}
	return err
}

func (v *logsVerb) chunk(cmd *cobra.Command, lines *resumed, m *controlpb.LogChunk) error {
	if m.Error != "" {
		talk(cmd, "%s: %s", m.Slot, m.Error)
	}
	if len(m.Data) == 0 {
		return nil
	}
	return lines.take(m.Slot, m.Data, time.Now())
}

// slots are those that a workload has now; a single slot has none to tell
// apart.
func (v *logsVerb) slots(cmd *cobra.Command, c *client.Client, of string) ([]string, error) {
	st, err := ask(cmd.Context(), c)
	if err != nil {
		return nil, err
	}
	var names []string
	known := map[string]bool{}
	know := func(slot string) {
		if !known[slot] {
			known[slot], names = true, append(names, slot)
		}
	}
	for _, w := range st.Workloads {
		if w.Name != of {
			continue
		}
		for _, s := range w.Slots {
			know(s.Slot)
		}
		for _, r := range w.Runs {
			for _, s := range r.Slots {
				know(s.Slot)
			}
		}
	}
	return names, nil
}

// copy prints chunks as they come. A slot that could not be read is told and
// makes the verb fail, but keeps no other from being printed.
func (v *logsVerb) copy(cmd *cobra.Command, s *connect.ServerStreamForClient[controlpb.LogChunk], names []string) error {
	defer s.Close()
	out, troubled := v.printer(cmd, names), 0
	for s.Receive() {
		m := s.Msg()
		if err := out.print(m.Slot, m.Data); err != nil {
			return err
		}
		if m.Error != "" {
			troubled++
			talk(cmd, "%s: %s", m.Slot, m.Error)
		}
	}
	if err := out.end(); err != nil {
		return err
	}
	if s.Err() == nil && troubled > 0 {
		return exit.Silent(exit.Failure)
	}
	return s.Err()
}

func (v *logsVerb) printer(cmd *cobra.Command, names []string) *merged {
	w := cmd.OutOrStdout()
	if v.format.People() {
		return newMerged(w, show.PaintFor(w), names)
	}
	m := newMerged(w, false, names)
	m.line = func(slot string, text []byte) error {
		raw, err := show.Encode(logLine{slot, string(text)})
		if err != nil {
			return err
		}
		return show.Stream(w, v.format, raw)
	}
	return m
}

// logLine is one object of `logs -o json`.
type logLine struct {
	Slot string `json:"slot"`
	Line string `json:"line"`
}
