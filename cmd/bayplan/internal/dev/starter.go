package dev

import (
	"os/exec"
	"runtime"
	"syscall"
)

// starter starts processes that the kernel kills when this one ends. The kernel
// means the thread that forked, not the process (prctl(2), PR_SET_PDEATHSIG),
// so all of them are started from one thread that lives as long as the starter.
type starter struct {
	requests chan startRequest
	ended    chan struct{}
}

type startRequest struct {
	cmd *exec.Cmd
	err chan<- error
}

func newStarter() *starter {
	s := &starter{requests: make(chan startRequest), ended: make(chan struct{})}
	go s.run()
	return s
}

func (s *starter) run() {
	defer close(s.ended)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r := range s.requests {
		r.err <- r.cmd.Start()
	}
}

// start starts cmd in a process group of its own, where the terminal's Ctrl-C
// does not reach it.
func (s *starter) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err := make(chan error)
	s.requests <- startRequest{cmd, err}
	return <-err
}

// close ends the thread; every process must have been waited for.
func (s *starter) close() {
	close(s.requests)
	<-s.ended
}
