// Package server puts the parts of `bayplan server` together: ledger, source,
// roster, loop, the nodes' protocol and the operators' API, on one listener.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/bayplan/bayplan/reconciler/forge"
	"github.com/bayplan/bayplan/reconciler/source"
	"github.com/bayplan/bayplan/schema"
)

// Config is what `bayplan server` was told. Dir and Source.URL are required.
type Config struct {
	// Name is the cluster's; it counts when the cluster is made, once.
	Name string
	// Dir holds the ledger, the mirror of the repository, what its folders were
	// evaluated to and the operator's credentials.
	Dir string
	// Listen is "host:port"; Advertise the hosts or addresses by which nodes
	// and operators reach it, the first being the one of join lines.
	Listen    string
	Advertise []string
	// Etcd are the endpoints of an outside cluster; empty runs one in this
	// process.
	Etcd []string
	// MetricsListen serves /metrics in plain HTTP; empty does not.
	MetricsListen string
	// WebhookSecretFile holds the secret that the repository's forge was given;
	// without one no webhook is heard.
	WebhookSecretFile string
	// WebhookListen hears webhooks in plain HTTP, for a proxy that ends TLS; they
	// are always heard at Listen.
	WebhookListen string
	// Forge is how the repository's forge is told of plans and outcomes; without a
	// TokenFile it is not. Its Repo and CAFile are the Source's.
	Forge forge.Config
	// ReadyFile gets a Ready once the server answers; empty is none.
	ReadyFile string
	// JoinTokens is how many join lines are made at the start.
	JoinTokens int
	// NodeLife is how long a node's certificate is good, of which it uses two
	// thirds; zero is wire.DefaultNodeLife.
	NodeLife time.Duration
	// Environment is the one that is reconciled, of a tree that has some.
	Environment string
	// Allow is what workloads may have that reaches beyond their containers;
	// nothing in the repository can add to it.
	Allow schema.Grants
	// EvalTimeout is how much processor time one folder of a commit may be evaluated
	// for; zero is the loader's default.
	EvalTimeout time.Duration
	// EvalMemory is how much one folder may take meanwhile; zero is
	// evaluate.DefaultMemory, and less than minEvalMemory is refused.
	EvalMemory schema.Bytes
	// RegistryAuth is a docker config file with the registries' passwords; empty
	// is Docker's own.
	RegistryAuth string
	// Source is the operators' repository, which people know as Followed where there
	// are Others.
	Source   source.Config
	Followed string
	Others   []Repo
	Version  string
	Log      *slog.Logger
}

// minNodeLife leaves a node seconds to renew its certificate in.
const minNodeLife = 5 * time.Second

// minEvalMemory is what a process that evaluates has use for before it sees a file.
const minEvalMemory = 128 << 20

// JoinLife is how long a join line is good.
const JoinLife = 24 * time.Hour

func (c *Config) check() error {
	if c.Dir == "" || c.Source.URL == "" || c.Listen == "" {
		return errors.New("a server wants a data folder, a repository and an address to listen on")
	}
	if c.NodeLife != 0 && c.NodeLife < minNodeLife {
		return fmt.Errorf("a node's certificate cannot live for %s: %s is the least", c.NodeLife, minNodeLife)
	}
	if c.EvalMemory != 0 && c.EvalMemory < minEvalMemory {
		return errors.New("a folder cannot be evaluated in so little memory: --eval-memory is 128Mi at least")
	}
	if c.WebhookListen != "" && c.WebhookSecretFile == "" {
		return errors.New("webhooks want a secret that the forge has, too: give its file with --webhook-secret-file")
	}
	if err := c.checkOthers(); err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = "bayplan"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return nil
}

// Ready is what Config.ReadyFile says: how to reach the server.
type Ready struct {
	// URL is "https://host:port".
	URL string `json:"server"`
	// Cluster is the cluster's identity, as its containers carry it.
	Cluster string `json:"cluster"`
	// CA, Cert and Key are files: the cluster's CA and an operator's
	// credentials.
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
	// Join are lines for new nodes, each good once.
	Join []string `json:"join"`
	// Metrics is the URL of /metrics, where one is served in plain HTTP.
	Metrics string `json:"metrics,omitempty"`
	// Webhooks is the URL of /hooks/, where they are heard in plain HTTP.
	Webhooks string `json:"webhooks,omitempty"`
}
