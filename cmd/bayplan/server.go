package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/build"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/telemetry"
	"github.com/bayplan/bayplan/nodes/wire"
	"github.com/bayplan/bayplan/reconciler/evaluate"
	"github.com/bayplan/bayplan/schema"
	"github.com/bayplan/bayplan/schema/load"
)

const serverLong = `Run the server: it watches the repository, decides what runs where, and drives
the agents. Everything that must outlive it stands under --data-dir; it can be
killed at any moment and started again, and no container notices.

The first --repo is the operators' repository. Each further one, NAME=URL with the
branch and the folder behind it if need be (#BRANCH:FOLDER), brings teams of its own
and is held to the operators' pools, policy and owners. Flags about a repository
take NAME=VALUE, too, for that one alone.

It prints a line to type on each new node, good once, and the variables by which
the client's verbs reach it.`

func newServerCommand() *cobra.Command {
	var cfg server.Config
	var debug bool
	var repos repoFlags
	cmd := &cobra.Command{
		Use:   "server --repo URL",
		Short: "Run the server of a cluster",
		Long:  serverLong,
		Example: "  bayplan server --repo https://git.example/ops.git --advertise bay1.example\n" +
			"  bayplan server --repo https://git.example/ops.git --repo shop=https://git.example/shop.git#main:deploy",
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := repos.put(&cfg); err != nil {
				return err
			}
			if !plainName(cfg.Environment) {
				return exit.Usagef("bayplan server --help", "--env is the name of a folder in envs, such as prod")
			}
			cfg.Version = build.Version()
			cfg.Log = telemetry.Log(cmd.ErrOrStderr(), levelOf(debug))
			slog.SetDefault(cfg.Log)
			end, err := telemetry.Trace(cmd.Context(), "bayplan-server", cfg.Version, cfg.Name)
			if err != nil {
				return err
			}
			defer flush(end)
			return server.Run(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Name, "name", "bayplan", "the cluster's name, used when it is made")
	f.StringVar(&cfg.Dir, "data-dir", "/var/lib/bayplan/server", "folder for all that outlives the server")
	f.StringVar(&cfg.Listen, "listen", ":7443", "address for nodes and operators")
	f.StringSliceVar(&cfg.Advertise, "advertise", nil, "host or address by which they reach it; the first one stands in join lines")
	f.StringSliceVar(&cfg.Etcd, "etcd", nil, "endpoints of an outside etcd; without it one runs inside the server")
	f.StringVar(&cfg.MetricsListen, "metrics-listen", "", "address for /metrics in plain HTTP; it is always on --listen for operators")
	f.StringVar(&cfg.WebhookSecretFile, "webhook-secret-file", "", "file with the secret of webhooks: a push then takes no poll to be seen (/hooks/github, gitlab, gitea or forgejo)")
	f.StringVar(&cfg.WebhookListen, "webhook-listen", "", "address for webhooks in plain HTTP, behind a proxy with TLS; they are always heard on --listen")
	f.StringVar(&cfg.ReadyFile, "ready-file", "", "write how to reach the server here (JSON) once it serves")
	f.IntVar(&cfg.JoinTokens, "join-tokens", 1, "how many join lines to make at the start")
	f.DurationVar(&cfg.NodeLife, "node-life", wire.DefaultNodeLife, "how long a node's certificate is good; it is renewed after two thirds")
	repos.addFlags(cmd, &cfg.Source)
	f.StringVar(&cfg.RegistryAuth, "registry-auth", "", "docker config file with the registries' passwords (~/.docker/config.json)")
	f.StringVar(&cfg.Environment, "env", "", envUsage)
	(*granting)(&cfg.Allow).addFlag(f)
	f.DurationVar(&cfg.EvalTimeout, "eval-timeout", load.DefaultPackageTime, "how much processor time one folder may take to evaluate")
	f.TextVar(&cfg.EvalMemory, "eval-memory", schema.Bytes(evaluate.DefaultMemory), "how much memory one folder may take to evaluate")
	f.BoolVar(&debug, "debug", false, "log more")
	return cmd
}

func levelOf(debug bool) slog.Level {
	if debug {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
