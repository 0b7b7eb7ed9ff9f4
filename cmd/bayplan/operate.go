package main

import (
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
	"github.com/bayplan/bayplan/reconciler/status"
)

// wish is a verb that asks the server for one thing beside Git. The record keeps
// who asked, why and when.
type wish struct {
	conn   client.Config
	verb   reconciler.Verb
	reason string
	lasts  time.Duration
}

// wishes is a command for one verb: what it is of is its one argument, of names
// that the server knows.
func wishes(verb reconciler.Verb, of string, names func(*status.Status) []string, help cobra.Command) (*wish, *cobra.Command) {
	w := &wish{verb: verb}
	cmd := &help
	cmd.Use = string(verb) + " " + of
	cmd.Args = takes(of)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return w.ask(cmd, args[0]) }
	cmd.ValidArgsFunction = completeFrom(&w.conn, names)
	w.conn.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&w.reason, "reason", "", "why, for the record and for those who ask later")
	return w, cmd
}

func (w *wish) ask(cmd *cobra.Command, of string) error {
	if w.lasts < 0 || w.lasts%time.Second != 0 {
		return exit.Usagef(cmd.CommandPath()+" --help", "%s is no time in whole seconds", w.lasts)
	}
	c, err := w.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := c.Operate(cmd.Context(), connect.NewRequest(&controlpb.OperateRequest{Verb: string(w.verb), Of: of, Reason: w.reason,
		Seconds: int64(w.lasts / time.Second), Actor: client.Actor()}))
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), r.Msg.Text)
	if r.Msg.Next != "" {
		talk(cmd, "see how it goes on with `%s`", r.Msg.Next)
	}
	return nil
}
