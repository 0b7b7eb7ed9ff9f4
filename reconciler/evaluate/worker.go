package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/schema/load"
)

// How a worker ends that was not killed.
const (
	exitBroken    = 70 // the conversation broke off
	exitProcessor = 71 // the package's processor time is used up
)

// maxOrder is the largest frame that a worker reads: a folder of 16 MiB as JSON,
// twice over.
const maxOrder = 64 << 20

// Work is the life of a worker: it evaluates what stdin brings, until that ends.
// The process is changed for good, and must do nothing else.
func Work() error {
	w := worker{pipes{in: os.Stdin, out: os.Stdout, max: maxOrder}}
	var t terms
	if err := w.receiveJSON(kindTerms, &t); err != nil {
		return fmt.Errorf("terms: %w", err)
	}
	// One processor each: the pool has as many workers as there are. More garbage
	// between two collections, 32 MiB of it, makes evaluation a third faster.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(t.Memory / 4 * 3)
	debug.SetMaxStack(int(t.Memory / 8))
	go endAtLimit()
	load.Warm()
	if err := w.sendJSON(kindHello, confine(t)); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	for {
		if err := w.next(); err != nil {
			return err
		}
	}
}

type worker struct{ pipes }

// next evaluates one package. io.EOF, which is no failure, ends the process with
// code 0.
func (w *worker) next() error {
	_, body, err := w.receive(kindPackage)
	if errors.Is(err, io.EOF) {
		os.Exit(0)
	}
	if err != nil {
		return fmt.Errorf("package: %w", err)
	}
	var p load.Package
	if err := json.Unmarshal(body, &p); err != nil {
		return fmt.Errorf("package: %w", err)
	}
	if err := limitProcessor(p.Limits.PackageTime); err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	if err := w.send(kindAnswer, load.Evaluate(p, w.folder)); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// folder asks the server. An evaluation cannot end early, so that the process
// does where there is no answer.
func (w *worker) folder(dir string) (f load.Folder) {
	err := w.send(kindWant, []byte(dir))
	if err == nil {
		err = w.receiveJSON(kindFolder, &f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "folder:", err)
		os.Exit(exitBroken)
	}
	return f
}

// limitProcessor grants so much processor time from now on. The kernel counts in
// whole seconds.
func limitProcessor(more time.Duration) error {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		return err
	}
	spent := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	limit := uint64((spent + more + time.Second - 1) / time.Second)
	return unix.Setrlimit(unix.RLIMIT_CPU, &unix.Rlimit{Cur: limit, Max: unix.RLIM_INFINITY})
}

// endAtLimit ends the process when the kernel says that the time is used up.
func endAtLimit() {
	over := make(chan os.Signal, 1)
	signal.Notify(over, syscall.SIGXCPU)
	<-over
	os.Exit(exitProcessor)
}
