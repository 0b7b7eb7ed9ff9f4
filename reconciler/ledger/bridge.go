package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
)

// bridge is etcd's logger: warnings and errors go to slog. Where etcd would end
// the process (its Fatal and Panic), died is told why and only the goroutine
// ends.
type bridge struct {
	zapcore.LevelEnabler
	log    *slog.Logger
	fields []zapcore.Field
	died   func(*death)
}

// newZap builds the logger that etcd gets.
func newZap(log *slog.Logger, died func(*death)) *zap.Logger {
	b := &bridge{LevelEnabler: zapcore.WarnLevel, log: log, died: died}
	return zap.New(b, zap.WithFatalHook(b), zap.WithPanicHook(b))
}

// harmless are warnings that every start of a lone member writes.
var harmless = []string{
	"Running http and grpc server on single port. This is not recommended for production.", // it listens nowhere
	"simple token is not cryptographically signed",                                         // nobody logs in
	"Failed to detect schema version",                                                      // a new database has none yet
	"failed to update storage version",                                                     // the same
}

// With keeps fields for later entries.
func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	c := *b
	c.fields = slices.Concat(b.fields, fields)
	return &c
}

// Check takes what is enabled and not harmless.
func (b *bridge) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !b.Enabled(e.Level) || slices.Contains(harmless, e.Message) {
		return ce
	}
	return ce.AddCore(e, b)
}

// Write logs one line, the fields as text: slog's keys are the project's own.
func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	b.log.Log(context.Background(), level, "etcd: "+line(e, slices.Concat(b.fields, fields)))
	return nil
}

// Sync has nothing to do.
func (b *bridge) Sync() error { return nil }

// OnWrite is called after a Fatal or Panic entry, and must not return.
func (b *bridge) OnWrite(ce *zapcore.CheckedEntry, fields []zapcore.Field) {
	b.died(newDeath(ce.Entry, fields))
	runtime.Goexit()
}

// death is why a member can go on no longer: ErrFailed, and ErrDiskFull where
// that can be seen.
type death struct {
	text string
	full bool
}

func newDeath(e zapcore.Entry, fields []zapcore.Field) *death {
	text := line(e, fields)
	return &death{text, full(text, fields)}
}

func (d *death) Error() string {
	if d.full {
		return fmt.Sprintf("%v: %v: %s; free some space and start the server again, nothing recorded is lost", ErrFailed, ErrDiskFull, d.text)
	}
	return fmt.Sprintf("%v: %s; start the server again", ErrFailed, d.text)
}

// Is makes it ErrFailed, and ErrDiskFull where it is.
func (d *death) Is(target error) bool {
	return target == ErrFailed || d.full && target == ErrDiskFull
}

func full(text string, fields []zapcore.Field) bool {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && errors.Is(err, unix.ENOSPC) {
			return true
		}
	}
	return strings.Contains(text, unix.ENOSPC.Error())
}

// line is "message (key=value, …)" in the fields' order by name.
func line(e zapcore.Entry, fields []zapcore.Field) string {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	delete(enc.Fields, "stacktrace")
	parts := make([]string, 0, len(enc.Fields))
	for k, v := range enc.Fields {
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	if len(parts) == 0 {
		return e.Message
	}
	slices.Sort(parts)
	return e.Message + " (" + strings.Join(parts, ", ") + ")"
}
