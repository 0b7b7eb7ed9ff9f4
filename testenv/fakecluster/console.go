package fakecluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/reconciler/status"
)

// box is one container: a log that grows, and an end.
type box struct {
	mu    sync.Mutex
	lines []logLine
	ended bool
	more  chan struct{}
}

type logLine struct {
	at   time.Time
	text string
}

// box finds or makes a container; the caller holds c.mu.
func (c *Cluster) box(node, id string) *box {
	key := node + " " + id
	if c.boxes[key] == nil {
		c.boxes[key] = &box{more: make(chan struct{})}
	}
	return c.boxes[key]
}

func (c *Cluster) find(node, id string) (*box, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.boxes[node+" "+id]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%s has no container of %s", node, id)
}

// Print adds a line, or a part of one, to an instance's log.
func (c *Cluster) Print(node, id, text string) {
	c.mu.Lock()
	b, now := c.box(node, id), c.now
	c.mu.Unlock()
	b.grow(func() { b.lines = append(b.lines, logLine{now, text}) })
}

// Finish ends a container: whoever follows its log comes to the end.
func (c *Cluster) Finish(node, id string) {
	c.mu.Lock()
	b := c.box(node, id)
	c.mu.Unlock()
	b.grow(func() { b.ended = true })
}

// Restart lets an ended container of slot run again, a minute later: its log
// goes on where it was.
func (c *Cluster) Restart(slot, node, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Minute)
	c.box(node, id).grow(func() { c.boxes[node+" "+id].ended = false })
	c.change(func(s *status.Status) {
		for i := range s.Workloads {
			for j := range s.Workloads[i].Slots {
				if x := &s.Workloads[i].Slots[j]; x.Slot == slot {
					x.Started, x.Restarts = c.now, x.Restarts+1
				}
			}
		}
	})
}

func (b *box) grow(by func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	by()
	close(b.more)
	b.more = make(chan struct{})
}

// after are the lines from the nth on, whether the container has ended, and a
// channel that is closed when either changes.
func (b *box) after(n int) ([]logLine, bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines[n:]), b.ended, b.more
}

// Logs writes what there is and, with Follow, what comes until the end.
func (c *Cluster) Logs(ctx context.Context, node, id string, o agent.LogOptions, w io.Writer) error {
	b, err := c.find(node, id)
	if err != nil {
		return err
	}
	all, _, _ := b.after(0)
	n := 0
	if o.Tail >= 0 {
		n = max(0, len(all)-o.Tail)
	}
	for {
		lines, ended, more := b.after(n)
		for _, l := range lines {
			if err := l.write(w, o); err != nil {
				return err
			}
		}
		n += len(lines)
		if !o.Follow || ended {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l logLine) write(w io.Writer, o agent.LogOptions) error {
	if l.at.Before(o.Since) {
		return nil
	}
	text := l.text
	if o.Timestamps {
		text = l.at.UTC().Format(time.RFC3339Nano) + " " + text
	}
	_, err := io.WriteString(w, text)
	return err
}

// Exec knows a few commands: echo WORDS, fail WORDS (to stderr), exit CODE,
// cat (stdin to stdout), size (the next size of the terminal), hang (until it is
// told to end) and panic (the API's handler breaks).
func (c *Cluster) Exec(ctx context.Context, node, id string, e agent.Exec) (int, error) {
	if _, err := c.find(node, id); err != nil {
		return 0, err
	}
	words := strings.Join(e.Command[1:], " ")
	switch e.Command[0] {
	case "echo":
		_, err := fmt.Fprintln(e.Stdout, words)
		return 0, err
	case "fail":
		_, err := fmt.Fprintln(e.Stderr, words)
		return 1, err
	case "exit":
		return strconv.Atoi(words)
	case "cat":
		_, err := io.Copy(e.Stdout, bufio.NewReader(e.Stdin))
		return 0, err
	case "size":
		return c.size(ctx, e)
	case "hang":
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case "panic":
		panic("asked to")
	}
	return 127, nil
}

func (c *Cluster) size(ctx context.Context, e agent.Exec) (int, error) {
	select {
	case s := <-e.Resize:
		_, err := fmt.Fprintf(e.Stdout, "%d rows, %d columns, tty %v\n", s.Rows, s.Cols, e.TTY)
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
