package docker_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/docker"
	"github.com/bayplan/bayplan/schema"
)

// nowhere is a runtime whose engine is never called.
func nowhere(t testing.TB, cluster, node string) *docker.Runtime {
	return open(t, docker.Config{Host: "unix:///nowhere.sock", Cluster: cluster, Node: node, PublishIP: "192.0.2.7",
		HostVolumes: agent.HostVolumes{"all": {Path: "/", ReadOnly: true}, "away": {Path: "/none/here"}}})
}

func TestSpec_SaysAllOfAWorkload(t *testing.T) {
	w := &schema.Workload{
		Name: "shop/db", Image: "registry.example/shop/db:1", Pinned: "registry.example/shop/db:1@sha256:" + string(make64('a')),
		Command: []string{"/db"}, Args: []string{"--fast"}, Env: map[string]string{"B": "2", "A": "1"}, User: "app", Workdir: "/srv",
		Resources: schema.Resources{CPU: 500, Memory: 64 << 20, Limit: schema.Limits{CPU: 64000, Memory: 128 << 20}},
		Ports:     map[string]schema.Port{"sql": {Container: 5432, Protocol: "tcp"}, "gossip": {Container: 7946, Protocol: "udp"}, "hidden": {Container: 1}},
		Volumes:   map[string]schema.Volume{"data": {Path: "/data"}, "conf": {Path: "/conf", ReadOnly: true}, "host": {Path: "/host", Host: "all", ReadOnly: true}},
		Stop:      schema.Stop{Signal: "SIGINT", Grace: schema.Duration(1500 * time.Millisecond)},
		Labels:    map[string]string{"tier": "data", "io.bayplan.node": "forged"},
	}
	c := agent.Container{
		ID: "shop/db.0@abc", Slot: schema.Slot{Workload: "shop/db"}, Digest: "abc", Commit: "c0ffee", Workload: w,
		Ports: map[string]int{"sql": 30001, "gossip": 30002}, Env: map[string]string{"BAYPLAN_NODE": "n1"},
	}
	spec, err := nowhere(t, "prod", "n1").Spec(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/spec.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("the container differs from %s (-want +got):\n%s", golden, d)
	}
}

func make64(c byte) []byte {
	b := make([]byte, 64)
	for i := range b {
		b[i] = c
	}
	return b
}

func TestSpec_RefusesWhatIsNone(t *testing.T) {
	r := nowhere(t, "c", "n")
	for name, c := range map[string]agent.Container{
		"an image that is no reference":  {Workload: &schema.Workload{Image: "web:"}},
		"a host volume of no node":       {Workload: &schema.Workload{Image: "web", Volumes: map[string]schema.Volume{"x": {Path: "/x", Host: "none"}}}},
		"a host volume that is not here": {Workload: &schema.Workload{Image: "web", Volumes: map[string]schema.Volume{"x": {Path: "/x", Host: "away"}}}},
		"a host volume to write to":      {Workload: &schema.Workload{Image: "web", Volumes: map[string]schema.Volume{"x": {Path: "/x", Host: "all"}}}},
		"a port without a name":          {Workload: &schema.Workload{Image: "web"}, Ports: map[string]int{"http": 1}},
	} {
		if _, err := r.Spec(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// The Engine's own rule for names.
var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// I9: no two instances, nodes or clusters share a container; I2: no two slots a volume.
func TestNames_AreValidAndTellApart(t *testing.T) {
	word := rapid.StringMatching(`[a-zA-Z0-9/._@ -]{1,20}`)
	rapid.Check(t, func(rt *rapid.T) {
		draw := func() [4]string {
			return [4]string{word.Draw(rt, "c"), word.Draw(rt, "n"), word.Draw(rt, "id"), word.Draw(rt, "v")}
		}
		a, b := draw(), draw()
		ra, rb := nowhere(t, a[0], a[1]), nowhere(t, b[0], b[1])
		an, bn := ra.ContainerName(a[2]), rb.ContainerName(b[2])
		av, bv := ra.VolumeName(schema.Slot{Workload: a[2]}, a[3]), rb.VolumeName(schema.Slot{Workload: b[2]}, b[3])
		for _, name := range []string{an, bn, av, bv} {
			if !validName.MatchString(name) {
				rt.Fatalf("%q is no name", name)
			}
		}
		if (an == bn) != (a[0] == b[0] && a[1] == b[1] && a[2] == b[2]) || (av == bv) != (a == b) {
			rt.Fatalf("%q are %q %q, %q are %q %q", a, an, av, b, bn, bv)
		}
	})
}

// The texts are those of Docker Engine 20.10, 24 and 29.
func TestStart_ExplainsWhatTheEngineSays(t *testing.T) {
	c := agent.Container{ID: "a/b.0@c", Workload: &schema.Workload{Image: "web:1"}, Ports: map[string]int{"http": 31000, "admin": 3100}}
	for text, want := range map[string]nodes.FailureCode{
		"driver failed programming external connectivity on endpoint x (y): Bind for 0.0.0.0:31000 failed: port is already allocated":                                                  nodes.PortInUse,
		"driver failed programming external connectivity on endpoint x (y): Error starting userland proxy: listen tcp4 0.0.0.0:31000: bind: address already in use":                    nodes.PortInUse,
		"failed to set up container networking: driver failed programming external connectivity on endpoint x (y): failed to bind host port 0.0.0.0:31000/tcp: address already in use": nodes.PortInUse,
		"OCI runtime create failed: container_linux.go: starting container process caused: exec: \"/nope\": stat /nope: no such file or directory: unknown":                            nodes.CommandNotFound,
		"failed to create shim task: OCI runtime create failed: exec: \"nope\": executable file not found in $PATH: unknown":                                                           nodes.CommandNotFound,
		"exec /web: exec format error":                                                      nodes.CommandNotFound,
		"unable to find user nobody-here: no matching entries":                              nodes.StartFailed,
		`invalid mount config for type "bind": bind source path does not exist: /srv/media`: nodes.VolumeUnavailable,
		"Minimum memory limit allowed is 6MB":                                               nodes.StartFailed,
		"mkdir /var/lib/docker/overlay2/x: no space left on device":                         nodes.DiskFull,
		"something is wrong with 0.0.0.0:31000 but nobody says it is used":                  nodes.StartFailed,
	} {
		err := nowhere(t, "c", "n").ExplainStart(c, errors.New("Error response from daemon: "+text))
		e, ok := errors.AsType[*agent.Error](err)
		if !ok || e.Failure.Code != want || want == nodes.PortInUse && e.Failure.Port != 31000 {
			t.Errorf("%s\n is %v, want %s", text, e, want)
		}
	}
	gone := nowhere(t, "c", "n").ExplainStart(c, errdefs.ErrNotFound.WithMessage("No such image: web:1"))
	wantCode(t, gone, nodes.ImageNotFound)
}

func TestPull_ExplainsWhatTheEngineSays(t *testing.T) {
	const image = "registry.example/shop/denied-eof:1"
	for text, want := range map[string]nodes.FailureCode{
		"manifest for registry.example/shop/denied-eof:1 not found: manifest unknown: manifest unknown":                                       nodes.ImageNotFound,
		"pull access denied for shop/denied-eof, repository does not exist or may require 'docker login': denied: requested access is denied": nodes.ImageNotFound,
		"failed to resolve reference \"registry.example/shop/denied-eof:1\": registry.example/shop/denied-eof:1: not found":                   nodes.ImageNotFound,
		"Head \"https://registry.example/v2/shop/denied-eof/manifests/1\": no basic auth credentials":                                         nodes.ImageUnauthorized,
		"unauthorized: authentication required": nodes.ImageUnauthorized,
		"failed to resolve reference \"registry.example/shop/denied-eof:1\": pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials":          nodes.ImageUnauthorized,
		"failed to resolve reference \"registry.example/shop/denied-eof:1\": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed": nodes.ImageNotFound,
		"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://registry.example/token: 401 Unauthorized":                                                             nodes.ImageUnauthorized,
		"Get \"https://registry.example/v2/\": dial tcp 192.0.2.1:443: connect: connection refused":                                                                                                                nodes.RegistryUnreachable,
		"Get \"https://registry.example/v2/\": dial tcp: lookup registry.example on 192.0.2.1:53: no such host":                                                                                                    nodes.RegistryUnreachable,
		"Get \"https://registry.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)":                                                           nodes.RegistryUnreachable,
		"Get \"https://registry.example/v2/\": x509: certificate signed by unknown authority":                                                                                                                      nodes.RegistryUnreachable,
		"received unexpected HTTP status: 503 Service Unavailable":                                                                                                                                                 nodes.RegistryUnreachable,
		"failed to register layer: write /x: no space left on device":                                                                                                                                              nodes.DiskFull,
		"filesystem layer verification failed for digest sha256:0":                                                                                                                                                 nodes.PullFailed,
		"no matching manifest for linux/arm64 in the manifest list entries for registry.example/shop/denied-eof:1":                                                                                                 nodes.PullFailed,
	} {
		err := nowhere(t, "c", "n").ExplainPull(image, errors.New("Error response from daemon: "+text))
		e, ok := errors.AsType[*agent.Error](err)
		if !ok || e.Failure.Code != want {
			t.Errorf("%s\n is %v, want %s", text, err, want)
		}
	}
}

func TestNew_RefusesAnIncompleteConfig(t *testing.T) {
	for _, cfg := range []docker.Config{{}, {Cluster: "c"}, {Node: "n"}, {Cluster: "c", Node: "n", PublishIP: "here"}, {Cluster: "c", Node: "n", Host: "nonsense"}} {
		if r, err := docker.New(cfg); err == nil {
			r.Close()
			t.Errorf("%+v was taken", cfg)
		}
	}
}
