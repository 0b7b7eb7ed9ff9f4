package dev

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/schema"
)

// MaxNodes is how many agents fit: each has an address of its own on
// loopback and a process of some 30 MB.
const MaxNodes = 50

// Config is what a cluster is made from. Every field but Dir is needed.
type Config struct {
	// Dir holds the cluster and stays; "" is a temporary folder, removed at the end.
	Dir string
	// Nodes is how many agents run, 1 to MaxNodes.
	Nodes int
	// Runtime is what the agents run containers with: "docker" or "native".
	Runtime string
	// Listen is the server's address. Port 0 is the one that Dir had before, or
	// a free one.
	Listen string
	// Executable is the bayplan binary that the children run.
	Executable string
	// Allow is what the server grants (--allow).
	Allow schema.Grants
	// Sample is the first commit of the repository.
	Sample fs.FS

	// Engine describes the engine in a few words, or says why there is none.
	Engine func(ctx context.Context) (string, error)
	// Watch shows each status of the server to done until that says so. It
	// outlives the server's restarts.
	Watch func(ctx context.Context, s Server, done func(*status.Status) bool) error
	// Clean removes every container that these nodes of the cluster have, and
	// their volumes if asked to.
	Clean func(ctx context.Context, cluster string, nodes []Node, volumes bool) error

	// Out gets what a person does next, Talk what is going on meanwhile.
	Out, Talk io.Writer
	// Hurry, once closed, ends everything with no grace.
	Hurry <-chan struct{}
}

// Node is an agent of the cluster: its name, the folder of its state and the
// address that its ports are published on.
type Node struct{ Name, Dir, Address string }

// Server is how a server can be reached, as it wrote it down when it began to
// serve (--ready-file).
type Server struct {
	// URL is "https://127.0.0.1:12345".
	URL string `json:"server"`
	// Cluster is the name in the label of its containers.
	Cluster string `json:"cluster"`
	// CA, Cert and Key are files of an operator's.
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
	// Join are one-time tokens' join lines, one for each new agent.
	Join []string `json:"join"`
}

func (c *Config) check() error {
	if c.Nodes < 1 || c.Nodes > MaxNodes {
		return exit.Usagef("bayplan dev --help", "--nodes %d: want 1 to %d", c.Nodes, MaxNodes)
	}
	if c.Runtime != "docker" && c.Runtime != "native" {
		return exit.Usagef("bayplan dev --help", "--runtime %q: want auto, docker or native", c.Runtime)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return exit.Usagef("bayplan dev --help", "--listen %q: want HOST:PORT such as 127.0.0.1:7443", c.Listen)
	}
	if c.Executable == "" || c.Sample == nil || c.Engine == nil || c.Watch == nil || c.Clean == nil {
		return errors.New("dev: a field of Config is missing")
	}
	return nil
}
