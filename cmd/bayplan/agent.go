package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/build"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/engine"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/node"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/telemetry"
	"github.com/bayplan/bayplan/nodes/agent"
)

const agentLong = `Run the agent: it makes this machine a node, runs what the server assigns to it,
and goes on running it while the server is away. The first start joins with the
line that the server printed (or "bayplan node token"); from then on the
certificate in --data-dir is enough, and it renews itself.

With --policy the machine refuses what the file does not allow, behind what the
repository's policy and the server's grants say. Each line is a rule, and all hold:

  privileges host-network devices=infra/   # as --allow of the server; none alone refuses all
  registries registry.example docker.io/library
  teams shop/ infra/
  cpu 4                                    # the most of one slot
  memory 16Gi

The server knows the rules and places elsewhere what is refused, or says why it
cannot; what already runs is moved as if the node's attributes had changed.`

func newAgentCommand() *cobra.Command {
	var cfg node.Config
	var debug bool
	var volumes []string
	cmd := &cobra.Command{
		Use:     "agent --join LINE",
		Short:   "Make this machine a node of a cluster",
		Long:    agentLong,
		Example: "  bayplan agent --join 'bayplan://TOKEN@bay1.example:7443?ca=…'",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.HostVolumes, err = agent.ParseHostVolumes(volumes); err != nil {
				return err
			}
			cfg.Version = build.Version()
			cfg.Log = telemetry.Log(cmd.ErrOrStderr(), levelOf(debug))
			slog.SetDefault(cfg.Log)
			end, err := telemetry.Trace(cmd.Context(), "bayplan-agent", cfg.Version, cfg.Name)
			if err != nil {
				return err
			}
			defer flush(end)
			return node.Run(cmd.Context(), cfg)
		},
	}
	host, _ := os.Hostname() // only a default: "" makes --node required
	f := cmd.Flags()
	f.StringVar(&cfg.Name, "node", host, "the node's name")
	f.StringVar(&cfg.Dir, "data-dir", "/var/lib/bayplan/agent", "folder for the certificate and the state")
	f.StringVar(&cfg.Join, "join", "", "the line that the server printed; needed once")
	f.StringVar(&cfg.Server, "server", "", "host:port of the server, where it moved since the node joined")
	f.StringVar(&cfg.Address, "address", "", "address by which others reach this node's ports (the one that leads to the server)")
	f.StringVar(&cfg.Publish, "publish", "0.0.0.0", "address that ports are published on")
	f.StringVar(&cfg.Runtime, "runtime", "auto", "what runs containers: "+engine.Names+" (the built-in runtime); auto is decided once")
	f.StringVar(&cfg.Images.AuthFile, "registry-auth", "", "docker config file with the registries' passwords, for the built-in runtime (~/.docker/config.json)")
	f.StringSliceVar(&cfg.Images.Mirrors, "registry-mirror", nil, "REGISTRY=MIRROR to ask before the registry, for the built-in runtime")
	f.IntVar(&cfg.Images.High, "images-high", 85, "percentage of the disk's use above which images that are not used are removed")
	f.IntVar(&cfg.Images.Low, "images-low", 75, "percentage of the disk's use at which no more images are removed")
	f.StringSliceVar(&cfg.HostPaths, "archive-host-paths", nil, "what archives without an image see of the machine, read-only (/usr with its links, and a few files of /etc)")
	f.StringVar(&cfg.DockerHost, "docker-host", "", "address of the Docker Engine (DOCKER_HOST, or its usual socket)")
	f.StringToStringVar(&cfg.Attributes, "attribute", nil, "name=value that constraints see; pool=NAME puts the node into a pool")
	f.StringArrayVar(&volumes, "host-volume", nil, "NAME=FOLDER or NAME=FOLDER:ro that workloads may mount by its name; may be repeated")
	f.StringVar(&cfg.Ports, "ports", "20000-32000", "host ports that the scheduler may choose from")
	f.StringVar(&cfg.ReserveCPU, "reserve-cpu", "", "cpu kept for the machine itself (5%)")
	f.StringVar(&cfg.ReserveMemory, "reserve-memory", "", "memory kept for the machine itself (256Mi, or a tenth)")
	f.StringVar(&cfg.PolicyFile, "policy", "", "file of what this machine refuses to run, whatever the server says; read at the start")
	f.StringVar(&cfg.MetricsListen, "metrics-listen", "", "address for /metrics in plain HTTP")
	f.BoolVar(&debug, "debug", false, "log more")
	return cmd
}

// flush gives the last spans a moment to leave.
func flush(end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := end(ctx); err != nil {
		slog.Warn("traces", "err", err)
	}
}
