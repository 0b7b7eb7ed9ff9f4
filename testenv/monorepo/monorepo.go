// Package monorepo makes a repository as large as they get: many teams, each with
// a package of many files, some of them sharing definitions. It is checked by
// plain `cue vet` as well as by the loader: the schema lies in it, where CUE looks
// for what is imported.
package monorepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bayplan/bayplan/schema"
)

// Size is how large a repository is made. Each workload has a file of its own.
type Size struct{ Teams, Workloads int }

// Large is 10,000 workloads in 500 packages.
var Large = Size{Teams: 500, Workloads: 20}

// Team is the package of a team, a path from the root.
func Team(i int) string { return fmt.Sprintf("teams/team-%03d", i) }

// File is the file of a team's workload, a path from the root.
func File(team, i int) string { return fmt.Sprintf("%s/svc-%02d.cue", Team(team), i) }

// Write writes the repository below dir, without any Git about it.
func Write(dir string, size Size) error {
	err := errors.Join(
		write(dir, "cue.mod/module.cue", "module: \"mono.example/ops@v0\"\nlanguage: version: \"v0.14.0\"\n"),
		write(dir, "cluster.cue", cluster),
		write(dir, "lib/web/web.cue", lib),
		writeSchema(dir))
	for t := range size.Teams {
		for i := range size.Workloads {
			err = errors.Join(err, write(dir, File(t, i), Workload(t, i, 1)))
		}
	}
	return err
}

const cluster = `package ops

cluster: pools: {}
`

const lib = `package web

// ports and probes of what answers to HTTP.
ports: http: container: 8080
health: {http: {path: "/up", port: "http"}, interval: "5s"}
`

// writeSchema puts the schema where CUE finds it without a registry.
func writeSchema(dir string) error {
	names, err := fs.Glob(schema.CUE, "*.cue")
	for _, name := range names {
		data, readErr := schema.CUE.ReadFile(name)
		err = errors.Join(err, readErr, write(dir, "cue.mod/pkg/github.com/bayplan/bayplan/schema/"+name, string(data)))
	}
	return err
}

func write(dir, name, text string) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// Workload is the text of a team's workload at a version. Every tenth team shares
// definitions.
func Workload(team, i, version int) string {
	imports, shared := "import \"github.com/bayplan/bayplan/schema\"\n\n", "ports: http: container: 8080\n\thealth: {http: {path: \"/up\", port: \"http\"}, interval: \"5s\"}"
	if team%10 == 0 {
		imports, shared = "import (\n\t\"github.com/bayplan/bayplan/schema\"\n\t\"mono.example/ops/lib/web\"\n)\n\n", "ports:  web.ports\n\thealth: web.health"
	}
	return fmt.Sprintf(`package team

%[1]sworkloads: "svc-%02[2]d": schema.#Service & {
	kind:     "service"
	image:    "registry.example/team-%03[3]d/svc-%02[2]d:1.%[4]d.0"
	replicas: 2
	resources: {cpu: "%[5]dm", memory: "%[6]dMi"}
	%[7]s
	update: {strategy: "rolling", maxSurge: 1, maxUnavailable: 0, minHealthyTime: "5s"}
	stop: grace: "15s"
	env: {
		TEAM:      "team-%03[3]d"
		SERVICE:   "svc-%02[2]d"
		LOG_LEVEL: "info"
		DATABASE:  "postgres://db.team-%03[3]d.internal:5432/svc-%02[2]d"
		QUEUE:     "amqp://mq.internal/team-%03[3]d"
	}
	labels: {owner: "team-%03[3]d", tier: "%[8]s", version: "1.%[4]d.0"}
	spread: [{over: "zone"}]
	tolerates: ["spot"]
}
`, imports, i, team, version, 50+10*(i%5), 64*(1+i%4), shared, []string{"front", "back", "batch"}[i%3])
}
