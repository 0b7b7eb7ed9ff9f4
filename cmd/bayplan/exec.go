package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/show"
	"github.com/bayplan/bayplan/reconciler/serve/controlpb"
)

// execVerb is the verb's flags.
type execVerb struct {
	conn        client.Config
	stdin, term bool
	container   string
}

func newExecCommand() *cobra.Command {
	v := &execVerb{}
	cmd := &cobra.Command{
		Use:   "exec SLOT -- COMMAND [ARG...]",
		Short: "Run a command in a slot's container",
		Long: `Exec runs a command in the running container of a slot and ends with the
command's exit code. -i passes your input on, -t gives the command a terminal.
What it changes in the container is gone when the container is replaced.`,
		Example: "  bayplan exec shop/web.0 -- ps\n  bayplan exec -it shop/web.0 -- sh",
		Args:    slotAndCommand,
		RunE:    v.run,
	}
	cmd.ValidArgsFunction = completeFrom(&v.conn, slotNames)
	v.conn.AddFlags(cmd.Flags())
	cmd.Flags().StringVarP(&v.container, "container", "c", "", "the one of the slot's containers that has this name, such as a sidecar")
	cmd.Flags().BoolVarP(&v.stdin, "stdin", "i", false, "pass standard input on")
	cmd.Flags().BoolVarP(&v.term, "tty", "t", false, "give the command a terminal")
	return cmd
}

// slotAndCommand wants the dash: without it a flag of the command would be
// taken for one of ours.
func slotAndCommand(cmd *cobra.Command, args []string) error {
	switch dash := cmd.ArgsLenAtDash(); {
	case len(args) == 0:
		return exit.Usagef("bayplan status -o wide", "bayplan exec wants a SLOT, and the command after --")
	case dash != 1 || len(args) < 2:
		return exit.Usagef("bayplan exec "+args[0]+" -- sh", "bayplan exec wants one SLOT, then --, then the command")
	}
	return nil
}

func (v *execVerb) run(cmd *cobra.Command, args []string) error {
	if v.term && !show.IsTerminal(cmd.InOrStdin()) {
		return exit.Usagef("leave out -t", "-t wants a terminal, and standard input is none")
	}
	c, err := v.conn.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	s := &execSession{stream: c.Exec(ctx)}
	if err := s.start(args[0], v.container, args[1:], v.term); err != nil {
		return err
	}
	restore, err := v.attach(ctx, cmd, s)
	if err != nil {
		return err
	}
	code, err := s.output(cmd.OutOrStdout(), cmd.ErrOrStderr())
	restore()
	if err != nil {
		return err
	}
	if code != 0 {
		return exit.Silent(exit.Code(code))
	}
	return nil
}

// attach couples the input, and for -t the terminal, with the session. The
// goroutine that reads standard input ends with the program: a read of it
// cannot be broken off.
func (v *execVerb) attach(ctx context.Context, cmd *cobra.Command, s *execSession) (restore func(), err error) {
	restore = func() {}
	if v.term {
		if restore, err = rawTerminal(ctx, s); err != nil {
			return nil, err
		}
	}
	if !v.stdin {
		s.send(&controlpb.ExecInput{Body: &controlpb.ExecInput_StdinClosed{StdinClosed: true}})
		return restore, nil
	}
	go s.input(cmd.InOrStdin())
	return restore, nil
}

// rawTerminal lets every key through to the command and tells it the terminal's
// size, now and when it changes; restore undoes it.
func rawTerminal(ctx context.Context, s *execSession) (restore func(), err error) {
	fd := int(os.Stdin.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if size := terminalSize(); size != nil {
				s.send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Resize{Resize: size}})
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(changed)
		stop()
		<-done
		// There is nothing left to do about a terminal that does not take its
		// old state.
		_ = term.Restore(fd, before)
	}, nil
}

func terminalSize() *controlpb.TerminalSize {
	cols, rows, err := term.GetSize(int(os.Stdin.Fd()))
	if err != nil {
		return nil
	}
	return &controlpb.TerminalSize{Rows: uint32(rows), Cols: uint32(cols)}
}

// execSession is one running command. Several goroutines send, one receives.
type execSession struct {
	mu     sync.Mutex
	stream *connect.BidiStreamForClient[controlpb.ExecInput, controlpb.ExecOutput]
}

// send drops its message once the stream has ended: output says why.
func (s *execSession) send(m *controlpb.ExecInput) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.Send(m) == nil
}

func (s *execSession) start(slot, container string, command []string, tty bool) error {
	b := &controlpb.ExecStart{Slot: slot, Container: container, Command: command, Tty: tty}
	if tty {
		b.Size = terminalSize()
	}
	err := s.stream.Send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Start{Start: b}})
	if errors.Is(err, io.EOF) {
		return nil // the server has refused already; output says why
	}
	return err
}

func (s *execSession) input(r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 && !s.send(&controlpb.ExecInput{Body: &controlpb.ExecInput_Stdin{Stdin: buf[:n]}}) {
			return
		}
		if err != nil {
			s.send(&controlpb.ExecInput{Body: &controlpb.ExecInput_StdinClosed{StdinClosed: true}})
			return
		}
	}
}

// output copies until the command ends and returns its exit code.
func (s *execSession) output(stdout, stderr io.Writer) (int, error) {
	for {
		m, err := s.stream.Receive()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("the server ended the command without telling its exit code")
		}
		if err != nil {
			return 0, err
		}
		switch b := m.Body.(type) {
		case *controlpb.ExecOutput_Stdout:
			_, err = stdout.Write(b.Stdout)
		case *controlpb.ExecOutput_Stderr:
			_, err = stderr.Write(b.Stderr)
		case *controlpb.ExecOutput_End:
			if b.End.Error != "" {
				return 0, errors.New(b.End.Error)
			}
			return int(b.End.ExitCode), nil
		}
		if err != nil {
			return 0, err
		}
	}
}
