package evaluate

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is its own worker, a true one or one that misbehaves.
func TestMain(m *testing.M) {
	if os.Args[0] == "bayplan" {
		role := roles[os.Args[1]]
		if err := role(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var roles = map[string]func() error{
	"worker": Work,
	"probe":  probe,
	"mute":   func() error { time.Sleep(time.Hour); return nil },
	"dying":  func() error { return errors.New("no more") },
	"huge":   after(func(w *worker) error { return w.send(kindAnswer, make([]byte, 2<<20)) }),
	"hang":   after(func(*worker) error { time.Sleep(time.Hour); return nil }),
	"crash":  after(func(*worker) error { return errors.New("fatal error: something else") }),
	"noise":  after(func(w *worker) error { return w.send('?', []byte("x")) }),
	"greedy": after(func(w *worker) error {
		for {
			w.folder("a")
		}
	}),
}

// after is a worker that says hello and takes a package.
func after(then func(*worker) error) func() error {
	return func() error {
		w := &worker{pipes{in: os.Stdin, out: os.Stdout, max: maxOrder}}
		if _, _, err := w.receive(kindTerms); err != nil {
			return err
		}
		if err := w.sendJSON(kindHello, Held{}); err != nil {
			return err
		}
		if _, _, err := w.receive(kindPackage); err != nil {
			return err
		}
		return then(w)
	}
}

// probe is a worker that tries what it must not be able to do, and tells.
func probe() error {
	runtimeIsUp := make(chan struct{})
	go close(runtimeIsUp)
	<-runtimeIsUp
	fmt.Printf("environment %d\n", len(os.Environ()))
	closeOthers()
	open, err := os.ReadDir("/proc/self/fd")
	fmt.Printf("descriptors %d %v\n", len(open), err)
	for _, e := range open {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		fmt.Printf("open %s\n", to)
	}
	fmt.Printf("held %+v\n", confine(terms{256 << 20}))
	_, err = os.ReadFile("/etc/passwd")
	fmt.Println("file", errors.Is(err, syscall.EPERM))
	_, err = net.Listen("tcp", "127.0.0.1:0")
	fmt.Println("socket", errors.Is(err, syscall.EPERM))
	err = exec.Command("/bin/true").Run()
	fmt.Println("process", errors.Is(err, syscall.EPERM))
	fmt.Println("signal", errors.Is(syscall.Kill(os.Getppid(), 0), syscall.EPERM))
	err = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: 1 << 50, Max: 1 << 50})
	fmt.Println("memory", err != nil)
	return nil
}
