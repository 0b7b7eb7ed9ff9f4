package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// folder is where all of one cluster stands, held by a lock as long as this
// process lives.
type folder struct {
	path string
	// temporary is removed at the end.
	temporary bool
	lock      *os.File
}

// openFolder makes dir, or a temporary folder if it is "", and locks it.
func openFolder(dir string) (*folder, error) {
	f := &folder{path: dir, temporary: dir == ""}
	if err := f.make(); err != nil {
		return nil, err
	}
	if err := f.hold(); err != nil {
		return nil, err
	}
	for _, sub := range []string{"log", "pid"} {
		if err := os.MkdirAll(f.join(sub), 0o755); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *folder) make() (err error) {
	if f.temporary {
		f.path, err = os.MkdirTemp("", "bayplan-dev-")
		return err
	}
	if f.path, err = filepath.Abs(f.path); err != nil {
		return err
	}
	return os.MkdirAll(f.path, 0o755)
}

// hold takes the lock, which the kernel lets go when this process ends.
func (f *folder) hold() error {
	lock, err := os.OpenFile(f.join("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.join("lock"))
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s is in use by another bayplan dev (pid %s): stop that one, or give another --dir",
				f.path, strings.TrimSpace(string(holder)))
		}
		return fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	f.lock = lock
	return errors.Join(lock.Truncate(0), writeAt(lock, strconv.Itoa(os.Getpid())+"\n"))
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// close lets the folder go, and removes a temporary one.
func (f *folder) close() error {
	var removed error
	if f.temporary {
		removed = os.RemoveAll(f.path)
	}
	return errors.Join(removed, f.lock.Close())
}

func (f *folder) join(parts ...string) string {
	return filepath.Join(append([]string{f.path}, parts...)...)
}

// ports are the addresses of a cluster. They are kept with it, since images are
// named by the registry's, and clients and agents know the server's.
type ports struct {
	Registry string `json:"registry"`
	Server   string `json:"server"`
	// Nodes are the first three numbers of the nodes' addresses. Each cluster
	// has a part of loopback to itself, so that two of them may publish the
	// same ports.
	Nodes string `json:"nodes"`
}

// nodeNet is a part of loopback for a new cluster, out of 65,024; 127.0.x is
// left to others.
func nodeNet() string { return fmt.Sprintf("127.%d.%d", 1+rand.IntN(254), rand.IntN(256)) }

func (f *folder) loadPorts() (ports, error) {
	var p ports
	b, err := os.ReadFile(f.join("ports.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w; remove the file to choose ports anew", f.join("ports.json"), err)
	}
	return p, nil
}

func (f *folder) savePorts(p ports) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return writeAtomic(f.join("ports.json"), string(b)+"\n")
}

const (
	// Ports are chosen below those that the kernel gives to outgoing
	// connections (32768 on) and that nodes publish services on (20000 on): one
	// that has to be had again after a restart must not have been lent out, and
	// a client that dials a dead one must not meet itself.
	lowestPort  = 10000
	highestPort = 19999
	portTries   = 50
)

// listenOn binds address, or a free port of that host where its port is 0.
func listenOn(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if port != "0" {
		return net.Listen("tcp", address)
	}
	for range portTries {
		n := lowestPort + rand.IntN(highestPort-lowestPort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(n))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

const (
	// lettingGo is how long a port may take that the folder had before: where a
	// dev was killed, its children die a moment after it.
	lettingGo = 3 * time.Second
	// lettingGoPoll is short, since it is a matter of milliseconds.
	lettingGoPoll = 20 * time.Millisecond
)

// listenAgain is listenOn for an address that may be on its way to be free.
func listenAgain(address string) (net.Listener, error) {
	for late := time.Now().Add(lettingGo); ; time.Sleep(lettingGoPoll) {
		l, err := listenOn(address)
		if !errors.Is(err, unix.EADDRINUSE) || time.Now().After(late) {
			return l, err
		}
	}
}

// freeAddress is address with a free port where its port is 0.
func freeAddress(address string) (string, error) {
	l, err := listenAgain(address)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// writeAtomic lets nobody see half a file.
func writeAtomic(path, text string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
