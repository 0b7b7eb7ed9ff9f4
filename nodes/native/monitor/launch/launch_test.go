package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func script(t *testing.T, text string) *os.File {
	t.Helper()
	f, err := Seal("script", strings.NewReader("#!/bin/sh\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSeal_CannotBeUndone(t *testing.T) {
	f := script(t, "exit 0")
	for what, err := range map[string]error{
		"written":  second(f.WriteAt([]byte("x"), 0)),
		"cut":      f.Truncate(0),
		"grown":    f.Truncate(1 << 20),
		"unsealed": second(unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, 0)),
	} {
		if err == nil {
			t.Errorf("it can be %s", what)
		}
	}
}

func second(_ int, err error) error { return err }

func TestStart_TakesTheAnswer(t *testing.T) {
	for _, c := range []struct{ text, started, trouble, err string }{
		{text: `echo '{"started":{"life":3}}' >&3`, started: "3"},
		{text: `echo '{"trouble":{"kind":"user","text":"who?"}}' >&3`, trouble: "who?"},
		{text: `echo broken >&2; exit 9`, err: "exit status 9"},
		{text: `echo junk >&3`, err: "invalid character"},
		{text: `test "$#" = 1 && test "$PWD" = / && test -z "$HOME" && echo '{"started":{"life":1}}' >&3`, started: "1"},
	} {
		folder := t.TempDir()
		p, ready, err := Start(script(t, c.text), folder)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), filepath.Join(folder, Note)) {
				t.Errorf("%s: %v", c.text, err)
			}
		case c.trouble != "":
			if err != nil || p != nil || ready.Trouble == nil || ready.Trouble.Text != c.trouble {
				t.Errorf("%s: %v %+v %v", c.text, p, ready, err)
			}
		default:
			if err != nil || p == nil || ready.Started == nil {
				t.Errorf("%s: %v %+v %v", c.text, p, ready, err)
				continue
			}
			if _, err := p.Wait(); err != nil {
				t.Error(err)
			}
		}
	}
}

// However far it had come, what was given up does not run.
func TestStartContext_GivenUp(t *testing.T) {
	why := errors.New("not wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	exe := script(t, `echo '{"started":{"life":1}}' >&3; exec sleep 60`)
	for range 20 {
		if p, ready, err := StartContext(ctx, exe, t.TempDir()); p != nil || ready.Started != nil || !errors.Is(err, why) {
			t.Fatalf("%v %+v %v", p, ready, err)
		}
	}
}

func TestStart_WithoutAFolder(t *testing.T) {
	if _, _, err := Start(script(t, "exit 0"), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("it started")
	}
}
