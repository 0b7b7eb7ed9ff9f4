package dev

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// firstPause is short, since a person who kills a process wants to see it
	// return; it doubles with each death up to lastPause, and starts anew after
	// a life of goodLife.
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	goodLife   = 10 * time.Second
	// stopGrace is what a process has to end after SIGTERM.
	stopGrace = 10 * time.Second
	// logLimit is the size from which a log is put aside before the next start.
	logLimit = 16 << 20
)

// child is a process to keep running.
type child struct {
	name string
	// command is asked anew for every start.
	command func() (*exec.Cmd, error)
	// died hears of every end that nobody asked for, how many came before it in
	// a row, and the pause that follows.
	died func(err error, before int, pause time.Duration)
}

// keeper keeps children running, with their logs and pid files under dir.
type keeper struct {
	starter *starter
	dir     string
	// hurry, once closed, leaves no grace to anyone.
	hurry <-chan struct{}
}

// keep starts c again and again until ctx ends; it returns once the last
// process has ended. It fails only if c cannot be started at all.
func (k *keeper) keep(ctx context.Context, c child) error {
	defer os.Remove(k.pidFile(c.name))
	pause, deaths := firstPause, 0
	for ctx.Err() == nil {
		began := time.Now()
		err := k.live(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) >= goodLife {
			pause, deaths = firstPause, 0
		}
		c.died(err, deaths, pause)
		deaths++
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// live is one life: from the start to the end, which is asked for when ctx ends.
func (k *keeper) live(ctx context.Context, c child) error {
	cmd, err := c.command()
	if err != nil {
		return err
	}
	log, err := openLog(k.logFile(c.name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := k.starter.start(cmd); err != nil {
		return err
	}
	if err := writeAtomic(k.pidFile(c.name), strconv.Itoa(cmd.Process.Pid)+"\n"); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return err
	}
	return k.attend(ctx, cmd)
}

// attend waits for cmd's end and brings it about when ctx ends.
func (k *keeper) attend(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return endOf(err)
	case <-ctx.Done():
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		return endOf(err)
	case <-time.After(stopGrace):
	case <-k.hurry:
	}
	cmd.Process.Kill()
	return endOf(<-ended)
}

// endOf tells an end in words; no process is meant to end by itself.
func endOf(err error) error {
	if err == nil {
		return fmt.Errorf("ended by itself")
	}
	return err
}

func (k *keeper) pidFile(name string) string { return filepath.Join(k.dir, "pid", name) }
func (k *keeper) logFile(name string) string { return filepath.Join(k.dir, "log", name+".log") }

// openLog opens a log to append to. One that has grown large becomes name.1.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}
