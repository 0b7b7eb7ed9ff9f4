package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
	"github.com/bayplan/bayplan/testenv/image"
)

// A primary and two standbys of Debian's PostgreSQL are updated one at a time by
// the runbook of examples/postgres, the standbys first, while a client writes all
// the time: whatever it was told is written is there afterwards, on each of them.
func TestE2E_Postgres(t *testing.T) { onEach(t, postgres) }

func postgres(t *testing.T, on world) {
	s := buildOn(t, on)
	bin := postgresBin(t)
	s.storePostgres(bin, "2")
	w := s.upPostgres(bin)

	s.putPostgres("2")
	before := w.count()
	s.wantOutcome(s.commit("another version"), reconciler.Applied)
	if order := startOrder(s.of("db/pg")); !slices.Equal(order, []string{"db/pg.2", "db/pg.1", "db/pg.0"}) {
		t.Errorf("changed in the order %v", order)
	}
	during := w.count() - before
	s.eventually("writes to the new version", func() bool { return w.count() > before+during+20 })
	acknowledged := w.end()
	s.shell("bayplan exec db/pg.0 -- pg-check caught-up 2")
	for slot := range 3 {
		s.wantWritten(bin, slot, acknowledged)
	}
	t.Logf("%d writes acknowledged, %d of them during the update", len(acknowledged), during)
	if during < 20 {
		t.Errorf("only %d writes while it was updated", during)
	}
}

// upPostgres is a primary and two standbys in version 1, to which a client writes.
func (s *site) upPostgres(bin string) *writer {
	s.t.Helper()
	s.storePostgres(bin, "1")
	s.upApart(3)
	s.putPostgres("1")
	s.t.Cleanup(func() {
		if s.t.Failed() {
			for slot := range 3 {
				out, _ := s.try(fmt.Sprintf("bayplan logs db/pg.%d --tail 20", slot))
				s.t.Logf("the end of slot %d's log:\n%s", slot, out)
			}
		}
	})
	s.wantOutcome(s.commit("a primary and two standbys"), reconciler.Applied)
	s.psql(bin, "create table log (id bigint primary key)")
	w := s.writes(bin)
	s.eventually("writes", func() bool { return w.count() > 20 })
	return w
}

// A version whose standbys come up, are healthy and do not follow their primary is
// found out by the step of the runbook that asks for that: the one that has it goes
// back to the version before, on its own data, no other is touched, and what was
// acknowledged meanwhile is on all three.
func TestE2E_PostgresGoesBack(t *testing.T) { onEach(t, postgresGoesBack) }

func postgresGoesBack(t *testing.T, on world) {
	s := buildOn(t, on)
	bin := postgresBin(t)
	s.storePostgres(bin, "bad")
	w := s.upPostgres(bin)
	was, digest := s.of("db/pg"), s.slot("db/pg.2").Digest

	s.putPostgres("bad")
	s.change("db/pg.cue", `"/usr/local/bin/pg-start"`, `"sh", "-c", "BAYPLAN_PEER_0_PG=127.0.0.1:9 exec /usr/local/bin/pg-start"`)
	s.change("db/pg.cue", "retries:  120", "retries:  5")
	r := s.wantOutcome(s.commit("a version that does not follow"), reconciler.RolledBack)
	wantText(t, "the reason", r.Reason, "db/pg", "streaming", "of 2 standbys stream")
	s.shell("bayplan exec db/pg.0 -- pg-check streaming 2")
	if x := s.slot("db/pg.2"); x.Digest != digest {
		t.Errorf("slot 2 is on %s, not on %s", x.Digest, digest)
	}
	others := func(_, life string) bool { return strings.HasPrefix(life, "db/pg.2 ") }
	is := s.of("db/pg")
	maps.DeleteFunc(was, others)
	maps.DeleteFunc(is, others)
	wantSame(t, "what had not its turn", was, is)
	during := w.count()
	s.eventually("writes after it went back", func() bool { return w.count() > during+20 })
	acknowledged := w.end()
	s.shell("bayplan exec db/pg.0 -- pg-check caught-up 2")
	for slot := range 3 {
		s.wantWritten(bin, slot, acknowledged)
	}
	t.Logf("%d writes acknowledged", len(acknowledged))
}

// change replaces a text in one of the repository's files.
func (s *site) change(file, old, new string) {
	s.t.Helper()
	path := filepath.Join(s.clone, file)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("%s has no %s", file, old)
	}
	s.write(file, strings.ReplaceAll(string(text), old, new))
}

// upApart is up with ports of the site's own: its programs listen on the host's
// network, where all clusters on this machine meet.
func (s *site) upApart(nodes int) {
	s.t.Helper()
	s.startServer()
	s.t.Cleanup(s.sweep)
	from := 20000 + 100*rand.IntN(120)
	for i := 1; i <= nodes; i++ {
		s.startAgent(fmt.Sprintf("n%d", i), i, "--ports", fmt.Sprintf("%d-%d", from, from+99))
	}
	s.eventually("nodes that are ready", func() bool { return ready(s.status()) == nodes })
}

// postgresBin is where Debian's PostgreSQL has its programs.
func postgresBin(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Skip("Debian's PostgreSQL is not on this machine: testenv/engine.sh have postgresql")
	}
	return found[len(found)-1]
}

const postgresImage = "db/pg"

// storePostgres puts a version of the example's image into the registry.
func (s *site) storePostgres(bin, version string) {
	s.t.Helper()
	number := filepath.Base(filepath.Dir(bin))
	d := image.Debian{
		Packages: []string{"postgresql-" + number, "postgresql-client-" + number},
		Users:    []string{"postgres:70"}, Folders: []string{"/data"}, Files: map[string]string{},
		Config: v1.Config{Env: []string{"PATH=" + bin + ":/usr/local/bin:/usr/bin:/bin", "VERSION=" + version}, WorkingDir: "/"},
	}
	for _, name := range []string{"pg-start", "pg-check", "pg-sql"} {
		text, err := os.ReadFile(filepath.Join("../../examples/postgres/image", name))
		if err != nil {
			s.t.Fatal(err)
		}
		d.Files["/usr/local/bin/"+name] = string(text)
	}
	ref := s.registry.Push(s.root, postgresImage+":"+version, d.Image(s.t))
	if s.on.runtime() == "docker" {
		s.root.Cleanup(func() { exec.Command("docker", "rmi", "-f", ref).Run() })
	}
}

// putPostgres writes the example as it is, with this registry's image.
func (s *site) putPostgres(version string) {
	s.t.Helper()
	text, err := os.ReadFile("../../examples/postgres/db/pg.cue")
	if err != nil {
		s.t.Fatal(err)
	}
	const example = `"registry.example/db/pg:15"`
	if !strings.Contains(string(text), example) {
		s.t.Fatalf("the example's image is not %s", example)
	}
	s.write("db/pg.cue", strings.Replace(string(text), example, fmt.Sprintf("%q", s.registry.Addr()+"/"+postgresImage+":"+version), 1))
}

// psqlOn is a question to a slot's PostgreSQL, from outside.
func (s *site) psqlOn(bin string, slot status.Slot, sql string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--command", sql,
		fmt.Sprintf("host=%s port=%d user=postgres connect_timeout=3", slot.Address, slot.Ports["pg"]))
	cmd.Env = append(os.Environ(), "PGPASSWORD=example")
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

func (s *site) psql(bin, sql string) {
	s.t.Helper()
	if out, err := s.psqlOn(bin, s.slot("db/pg.0"), sql); err != nil {
		s.t.Fatalf("%s: %v\n%s", sql, err, out)
	}
}

// slot is the instance of a slot that is not told to stop.
func (s *site) slot(name string) status.Slot {
	s.t.Helper()
	for _, w := range s.status().Workloads {
		for _, x := range w.Slots {
			if x.Slot == name && !x.Stopping {
				return x
			}
		}
	}
	s.t.Fatalf("%s is nowhere", name)
	return status.Slot{}
}

// writer writes one number after the other, and knows which were acknowledged.
type writer struct {
	stop chan struct{}
	done sync.WaitGroup

	mu  sync.Mutex
	ids []int
}

// writes begins to write to the primary, where that is published: it stays there.
func (s *site) writes(bin string) *writer {
	w := &writer{stop: make(chan struct{})}
	primary := s.slot("db/pg.0")
	s.t.Cleanup(func() { w.end() })
	w.done.Go(func() {
		for id := 1; ; id++ {
			select {
			case <-w.stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if _, err := s.psqlOn(bin, primary, fmt.Sprintf("insert into log values (%d)", id)); err == nil {
				w.mu.Lock()
				w.ids = append(w.ids, id)
				w.mu.Unlock()
			}
		}
	})
	return w
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ids)
}

// end is what was acknowledged.
func (w *writer) end() []int {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	w.done.Wait()
	return w.ids
}

// wantWritten wants each acknowledged write on the slot.
func (s *site) wantWritten(bin string, slot int, acknowledged []int) {
	s.t.Helper()
	out, err := s.psqlOn(bin, s.slot(fmt.Sprintf("db/pg.%d", slot)), "select id from log")
	if err != nil {
		s.t.Fatalf("slot %d: %v\n%s", slot, err, out)
	}
	there := map[string]bool{}
	for _, id := range strings.Fields(string(out)) {
		there[id] = true
	}
	var lost []int
	for _, id := range acknowledged {
		if !there[fmt.Sprint(id)] {
			lost = append(lost, id)
		}
	}
	if len(lost) > 0 {
		s.t.Errorf("slot %d has lost %d of %d acknowledged writes: %v", slot, len(lost), len(acknowledged), lost)
	}
}
