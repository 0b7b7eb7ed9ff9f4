package native_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/nodes/agent"
	"github.com/bayplan/bayplan/nodes/native"
	"github.com/bayplan/bayplan/nodes/native/archive"
	"github.com/bayplan/bayplan/schema"
)

// shelf is a node with archives, and the server that has them.
type shelf struct {
	*crash
	*native.Runtime
	archives *archive.Store
	url      string
	files    map[string][]byte
}

func newShelf(t *testing.T, change ...func(*native.Config)) *shelf {
	s := &shelf{crash: newCrash(t), files: map[string][]byte{}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(s.files[r.URL.Path]) }))
	t.Cleanup(web.Close)
	s.url = web.URL
	var err error
	s.archives, err = archive.Open(archive.Config{
		Dir: filepath.Join(s.dir, "archives"), Limits: archive.Limits{Reserve: -1}, Log: s.log,
		InUse: func(ctx context.Context) ([]string, error) { return s.ArchivesInUse(ctx) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.archives.Close() })
	s.Runtime = s.openWith("n", func(cfg *native.Config) {
		cfg.Archives = s.archives
		for _, c := range change {
			c(cfg)
		}
	})
	return s
}

// artifact is a file of the server's.
func (s *shelf) artifact(name string, content []byte) *schema.Artifact {
	s.files["/"+name] = content
	return &schema.Artifact{URL: s.url + "/" + name, SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), Path: "/app"}
}

// app is an archive of programs.
func (s *shelf) app(files map[string]string) *schema.Artifact {
	s.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o4777, Size: int64(len(body))}); err != nil {
			s.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			s.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	return s.artifact("app.tar", b.Bytes())
}

// runs begins a container of it, with all that it needs.
func (s *shelf) runs(w *schema.Workload) agent.Container {
	s.Helper()
	c := s.instance("app", 0)
	*c.Workload = *w
	c.Workload.Name, c.Workload.Kind, c.Digest = "team/app", schema.Service, w.Digest()
	c.ID = nodes.InstanceID(c.Slot, c.Digest)
	if err := s.Pull(s.t.Context(), w.Artifact.Ref()); err != nil {
		s.Fatal(err)
	}
	s.starts(s.Runtime, c)
	return c
}

// says is all that a program has to say before it ends.
func (s *shelf) says(w *schema.Workload) string {
	s.Helper()
	c := s.runs(w)
	s.awaitExit(s.Runtime, c.ID)
	var b bytes.Buffer
	if err := s.Logs(s.t.Context(), c.ID, agent.LogOptions{Tail: -1}, &b); err != nil {
		s.Fatal(err)
	}
	s.ends(s.Runtime, c)
	return b.String()
}

// attacks prints a line for each thing that must not be possible, and for each
// that must.
const attacks = `#!/bin/sh
no() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "CAN $what"; fi; }
yes() { what=$1; shift; if ! "$@" >/dev/null 2>&1; then echo "CANNOT $what"; fi; }
no "see /root" test -e /root
no "see /home" test -e /home
no "see /var" test -e /var
no "see the shadow file" test -e /etc/shadow
no "see private keys" test -e /etc/ssl/private
no "see the machine's accounts" grep -q daemon /etc/passwd
no "see the machine's processes" test -e /proc/$OUTSIDE
no "write to /usr" touch /usr/x
no "write to /usr/bin" sh -c 'echo >> /usr/bin/env'
no "write through /bin" touch /bin/x
no "write to /etc/alternatives" touch /etc/alternatives/x
no "mount" mount -t tmpfs none /mnt
no "write to /usr by mounting it anew" sh -c 'mount -o remount,rw /usr && touch /usr/x'
no "unmount /usr" umount -l /usr
no "make a device" mknod /tmp/sda b 8 0
no "trace the machine" kill -0 $OUTSIDE
no "write to /proc/sys" sh -c 'echo 1 > /proc/sys/kernel/panic'
no "be given rights by a program" sh -c 'find / -xdev -perm -4000 | grep .'
no "see the machine's /tmp" ls /tmp/*
yes "write to /tmp" touch /tmp/x
yes "write to where it starts" touch x
yes "run another program of it" ./other
yes "run what the machine has" env true
grep -E ' /usr ' /proc/self/mountinfo | grep -qE ' ro,.*nosuid.*nodev' || echo "CANNOT find /usr mounted read-only, without set-user-ID and devices: $(grep ' /usr ' /proc/self/mountinfo)"
`

const asNobody = attacks + `
no "replace what it was made of" sh -c 'echo >> ./other'
no "remove what it was made of" rm -f ./other
no "write to the root" touch /x
echo "$(id -u):$(id -g) $(id -un) in $(pwd)"
`

func TestArchive_IsOnItsOwn(t *testing.T) {
	s := newShelf(t)
	w := &schema.Workload{
		Artifact: s.app(map[string]string{"bin/attack": asNobody, "other": "#!/bin/sh\nexit 0\n"}),
		Command:  []string{"./bin/attack"}, Env: map[string]string{"OUTSIDE": fmt.Sprint(os.Getpid())},
	}
	if got, want := s.says(w), "65534:65534 nobody in /app\n"; got != want {
		t.Errorf("it says:\n%s\nwant\n%s", got, want)
	}
}

// Who may be root inside is not so outside.
func TestArchive_AsRootIsOnItsOwn(t *testing.T) {
	s := newShelf(t)
	w := &schema.Workload{
		Artifact: s.app(map[string]string{"attack": attacks + "echo more >> other; cat other; id -u\n", "other": "#!/bin/sh\nexit 0\n"}), User: "root",
		Command: []string{"./attack"}, Env: map[string]string{"OUTSIDE": fmt.Sprint(os.Getpid())},
	}
	want := "#!/bin/sh\nexit 0\nmore\n0\n"
	for range 2 { // what one wrote over, the next does not see
		if got := s.says(w); got != want {
			t.Errorf("it says:\n%s\nwant\n%s", got, want)
		}
	}
}

func TestArchive_ReadOnly(t *testing.T) {
	s := newShelf(t)
	w := &schema.Workload{
		Artifact: s.app(map[string]string{"x": "#!/bin/sh\ntouch y 2>&1; touch /tmp/y && echo but /tmp\n"}), ReadOnlyRoot: true,
		Command: []string{"/app/x"}, Tmpfs: map[string]schema.Tmpfs{"tmp": {Path: "/tmp", Size: 1 << 20}},
	}
	if got := s.says(w); !strings.Contains(got, "Read-only file system") || !strings.Contains(got, "but /tmp") {
		t.Errorf("it says:\n%s", got)
	}
}

func TestArchive_OverAnImage(t *testing.T) {
	s := newShelf(t)
	w := &schema.Workload{Artifact: s.app(map[string]string{"conf/greeting": "hello\n"})}
	w.Artifact.Path = "/srv/app"
	s.program(w, "read", "/srv/app/conf/greeting", "whoami", "write", "/srv/app/new", "x", "read", "/srv/app/new")
	got := s.says(w)
	if !strings.HasPrefix(got, "hello\n") || !strings.Contains(got, " /srv/app\n") || !strings.HasSuffix(got, "x\n") {
		t.Errorf("it says:\n%s", got)
	}
}

// An archive is kept for as long as a container lies over it, running or not.
func TestArchive_InUseIsKept(t *testing.T) {
	s := newShelf(t)
	w := &schema.Workload{Artifact: s.app(map[string]string{"x": "#!/bin/sh\nexit 3\n"}), Command: []string{"./x"}}
	c := s.runs(w)
	s.awaitExit(s.Runtime, c.ID)
	prune := func(want int) {
		t.Helper()
		gone, err := s.PruneImages(t.Context(), 0) // nobody says which images are in use: those stay
		if len(gone.Images) != want || (gone.Bytes > 0) != (want > 0) {
			t.Errorf("gone: %+v, %v; want %d", gone, err, want)
		}
	}
	prune(0)
	listed, err := s.Images(t.Context())
	if err != nil || len(listed) == 0 || listed[0].Archive == "" || !listed[0].InUse || listed[0].Digest != "sha256:"+w.Artifact.SHA256 {
		t.Errorf("listed: %+v, %v", listed, err)
	}
	if _, err := s.Start(t.Context(), c); err != nil {
		t.Error(err)
	}
	s.awaitExit(s.Runtime, c.ID)
	s.ends(s.Runtime, c)
	prune(1)
	_, err = s.Start(t.Context(), c)
	wantFailure(t, err, nodes.ImageNotFound, "is not on this node")
}

func TestArchive_ThatCannotBe(t *testing.T) {
	s := newShelf(t, func(cfg *native.Config) { cfg.HostPaths = []string{"/usr", "/srv"} })
	lies := s.app(map[string]string{"x": ""})
	lies.SHA256 = strings.Repeat("0", 64)
	wantFailure(t, s.Pull(t.Context(), lies.Ref()), nodes.ArtifactInvalid, "not what its sha256 says")

	hidden := s.app(map[string]string{"x": ""})
	hidden.Path = "/srv/x"
	c := s.instance("app", 0)
	c.Workload.Image, c.Workload.Pinned, c.Workload.Artifact, c.Workload.Command = "", "", hidden, []string{"./x"}
	if err := s.Pull(t.Context(), hidden.Ref()); err != nil {
		t.Fatal(err)
	}
	_, err := s.Start(t.Context(), c)
	wantFailure(t, err, nodes.StartFailed, "/srv is the machine's")

	none := s.openWith("without", func(*native.Config) {})
	wantFailure(t, none.Pull(t.Context(), hidden.Ref()), nodes.StartFailed, "keeps no archives")
	_, err = none.Start(t.Context(), c)
	wantFailure(t, err, nodes.StartFailed, "keeps no archives")
}

// The JAR of the examples, on the machine's JVM, which takes the container for the
// machine: half of 128 MiB is its heap, and there is one processor.
func TestArchive_Java(t *testing.T) {
	s := newShelf(t)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	version := info.Attributes["java"]
	if version == "" {
		t.Skip("this machine has no JVM: apt-get install openjdk-17-jre-headless")
	}
	jar, err := os.ReadFile("../../examples/java/server/hello.jar")
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []schema.Network{schema.Host, schema.Bridge} {
		t.Run(string(network), func(t *testing.T) {
			c := s.java(t, network, s.artifact("hello.jar", jar))
			url := fmt.Sprintf("http://127.0.0.1:%d/", c.Ports["http"])
			if got := fetch(t, url); got != "hello, Bayplan\n" {
				t.Errorf("got %q", got)
			}
			limits := fetch(t, url+"limits")
			var heap, processors int
			if _, err := fmt.Sscanf(limits, "java "+version+", %d MiB of heap, %d processors, user nobody in /app", &heap, &processors); err != nil {
				t.Fatalf("it sees %q: %v", limits, err)
			}
			if heap < 50 || heap > 64 || processors != 1 {
				t.Errorf("it sees %q", limits)
			}
			if err := s.Stop(t.Context(), c.ID, "SIGTERM", patience); err != nil {
				t.Fatal(err)
			}
			if status := s.awaitExit(s.Runtime, c.ID); status.ExitCode != 143 || status.OOM { // 128 and SIGTERM: the JVM's own
				t.Errorf("it ended as %+v", status)
			}
			s.ends(s.Runtime, c)
		})
	}
}

func (s *shelf) java(t *testing.T, network schema.Network, jar *schema.Artifact) agent.Container {
	t.Helper()
	port := freePort(t)
	w := &schema.Workload{
		Name: "team/java", Kind: schema.Service, Artifact: jar, Args: []string{"Bayplan"}, Network: network,
		Java:      &schema.Java{Options: []string{"-XX:MaxRAMPercentage=50", "-XX:+UseSerialGC"}},
		Resources: schema.Resources{CPU: 100, Memory: 96 << 20, Limit: schema.Limits{CPU: 1000, Memory: 128 << 20, Pids: 200}},
		Ports:     map[string]schema.Port{"http": {Protocol: "tcp"}},
	}
	inside := port
	if network == schema.Bridge {
		inside = 8080
		w.Ports["http"] = schema.Port{Container: inside, Protocol: "tcp"}
	}
	slot := schema.Slot{Workload: w.Name}
	c := agent.Container{
		ID: nodes.InstanceID(slot, w.Digest()), Slot: slot, Digest: w.Digest(), Workload: w,
		Ports: map[string]int{"http": port}, Env: map[string]string{"PORT_HTTP": fmt.Sprint(inside)},
	}
	if err := s.Pull(t.Context(), jar.Ref()); err != nil {
		t.Fatal(err)
	}
	s.starts(s.Runtime, c)
	s.awaitOutput(s.Runtime, c.ID, "listening")
	return c
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(b)
}
