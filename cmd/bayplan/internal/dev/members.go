package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// readyPoll is how often the server's ready file is looked for; it is written
// once, within a second.
const readyPoll = 20 * time.Millisecond

// startServer adds the server to the crew and waits until it serves.
func (d *cluster) startServer(ctx context.Context, crew *crew) (Server, error) {
	crew.add(child{name: "server", command: d.serverCommand, died: d.serverDied})
	s, err := d.awaitReady(ctx)
	if err != nil {
		return s, err
	}
	d.talk.say("server %s", s.URL)
	return s, nil
}

func (d *cluster) serverCommand() (*exec.Cmd, error) {
	if err := remove(d.readyFile()); err != nil {
		return nil, err
	}
	args := []string{"server", "--name", "dev", "--data-dir", d.folder.join("server"), "--listen", d.ports.Server,
		"--repo", "file://" + d.repository(), "--branch", branch, "--poll", "15s",
		"--ready-file", d.readyFile(), "--join-tokens", strconv.Itoa(d.Nodes)}
	for _, g := range d.Allow {
		args = append(args, "--allow", g.String())
	}
	return d.bayplan(args...), nil
}

func (d *cluster) serverDied(err error, before int, pause time.Duration) {
	d.mu.Lock()
	d.deaths = before + 1
	d.mu.Unlock()
	d.tellDeath("server", err, pause)
}

// awaitReady returns what the server wrote when it began to serve.
func (d *cluster) awaitReady(ctx context.Context) (Server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit,
		fmt.Errorf("the server does not serve after %s; see %s", readyLimit, d.keeper.logFile("server")))
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		s, err := d.readReady()
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return Server{}, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (d *cluster) readReady() (Server, error) {
	b, err := os.ReadFile(d.readyFile())
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if d.server.URL == "" && d.deaths >= givenUp {
			return Server{}, fmt.Errorf("the server died %d times; the end of %s:\n%s",
				d.deaths, d.keeper.logFile("server"), tail(d.keeper.logFile("server"), 10))
		}
		return Server{}, err
	}
	var s Server
	if err := json.Unmarshal(b, &s); err != nil {
		return Server{}, fmt.Errorf("%s: %w", d.readyFile(), err)
	}
	if s.Cluster == "" || len(s.Join) < d.Nodes {
		return Server{}, fmt.Errorf("%s: want a cluster and %d join lines, have %q and %d", d.readyFile(), d.Nodes, s.Cluster, len(s.Join))
	}
	d.server, d.deaths = s, 0
	return s, nil
}

// startAgent adds node i to the crew; there is a server to join by now.
func (d *cluster) startAgent(crew *crew, i int) {
	name := nodeName(i)
	crew.add(child{
		name:    name,
		command: func() (*exec.Cmd, error) { return d.agentCommand(i), nil },
		died:    func(err error, _ int, pause time.Duration) { d.tellDeath(name, err, pause) },
	})
}

// agentCommand gives each start the newest token: one that was cut off while it
// joined has used up the one before. An agent that has joined ignores it.
func (d *cluster) agentCommand(i int) *exec.Cmd {
	s, err := d.readReady()
	if err != nil { // the server is about to start again: the tokens of its last life have to do
		d.mu.Lock()
		s = d.server
		d.mu.Unlock()
	}
	address := d.nodeAddress(i)
	return d.bayplan("agent", "--node", nodeName(i), "--data-dir", d.nodeDir(i), "--ports", portsOf(i),
		"--address", address, "--publish", address, "--runtime", d.Runtime, "--join", s.Join[i-1])
}

// portsOf are a node's own: on the host's network all nodes share one machine.
func portsOf(i int) string {
	const first, each = 20000, 240
	return fmt.Sprintf("%d-%d", first+(i-1)*each, first+i*each-1)
}

func nodeName(i int) string                 { return "n" + strconv.Itoa(i) }
func (d *cluster) nodeDir(i int) string     { return nodeDir(d.folder.path, i) }
func (d *cluster) nodeAddress(i int) string { return d.ports.Nodes + "." + strconv.Itoa(i) }

// FirstNode is the folder of the first node of a cluster in dir, which is there
// once the cluster was up.
func FirstNode(dir string) string { return nodeDir(dir, 1) }

func nodeDir(dir string, i int) string { return filepath.Join(dir, "node"+strconv.Itoa(i)) }

// everyNode is each that runs now or ran before in this folder, when there may
// have been more of them.
func (d *cluster) everyNode() []Node {
	var all []Node
	for i := 1; i <= MaxNodes; i++ {
		if _, err := os.Stat(d.nodeDir(i)); err == nil || i <= d.Nodes {
			all = append(all, Node{nodeName(i), d.nodeDir(i), d.nodeAddress(i)})
		}
	}
	return all
}

// tellDeath tells an end that nobody asked for, with the process's own last
// word unless somebody killed it.
func (d *cluster) tellDeath(name string, err error, pause time.Duration) {
	last := ""
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		last = ": " + tail(d.keeper.logFile(name), 1)
	}
	d.talk.say("%s ended (%v) and starts again in %s%s", name, err, pause, last)
}

// tail is the end of a file, at most so many lines of its last 4 KiB.
func tail(path string, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4 << 10
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-most)
	b := make([]byte, info.Size()-from)
	n, _ := f.ReadAt(b, from)
	all := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
