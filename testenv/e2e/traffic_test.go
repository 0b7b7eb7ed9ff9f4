package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/reconciler/status"
)

// trafficWeb drains for longer than a client needs to hear of the stop.
const trafficWeb = `package hello

workloads: web: {
	kind:     "service"
	image:    "IMAGE:VERSION"
	replicas: 3
	env: DRAIN: "2s"
	resources: {cpu: "50m", memory: "32Mi"}
	ports: http: container: 8080
	health: {http: {path: "/up", port: "http"}, interval: "1s"}
	update: {UPDATE, minHealthyTime: "1s"}
	stop: grace: "10s"
}
`

// I1: an update behind constant requests never has fewer healthy than was
// promised, by the engine's and the instances' own word, and loses no request.
func TestE2E_UpdateUnderRequests(t *testing.T) { onEach(t, updateUnderRequests) }

func updateUnderRequests(t *testing.T, on world) {
	d := startOn(t, on, t.TempDir())
	d.write("hello/web.cue", strings.ReplaceAll(d.named(trafficWeb, "1"), "UPDATE", "maxSurge: 1"))
	d.wantOutcome(d.commit("a version that drains"), reconciler.Applied)
	rec := record(t, d)
	for _, x := range []struct {
		name, update, version string
		promised              int
	}{
		{"one beside the old", "maxSurge: 1, maxUnavailable: 0", "2", 3},
		{"one missing", "maxSurge: 0, maxUnavailable: 1", "1", 2},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := d.in(t)
			load := apply(d, rec, x.promised)
			text := strings.ReplaceAll(d.named(trafficWeb, x.version), "UPDATE", x.update)
			d.write("hello/web.cue", text)
			d.wantOutcome(d.commit(x.name), reconciler.Applied)
			d.eventually("end of the old ones", func() bool { return len(d.of("hello/web")) == 3 })
			load.end()
		})
	}
}

// load is requests that never pause, and what came of them.
type load struct {
	d        *dev
	rec      *recorder
	promised int
	mark     int               // what was before is none of it
	address  map[string]string // of nodes
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	client   http.Client

	mu      sync.Mutex
	current []target // healthy and not to stop, as the status has it
	lost    []string
	samples int
	least   int
	asked   atomic.Int64
}

// target is where an instance is asked.
type target struct{ container, slot, url string }

// apply begins with requests to all that is healthy now.
func apply(d *dev, rec *recorder, promised int) *load {
	d.t.Helper()
	l := &load{d: d, rec: rec, promised: promised, mark: rec.mark(), address: map[string]string{}, least: 1 << 30}
	l.client = newAsker()
	st := d.status()
	for _, n := range st.Nodes {
		l.address[n.Name] = n.Address
	}
	l.see(&st)
	if len(l.current) != 3 {
		d.t.Fatalf("%d healthy at the start", len(l.current))
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	l.cancel = cancel
	d.t.Cleanup(cancel)
	l.wg.Go(func() { d.followStatus(ctx, l.see) })
	l.wg.Go(func() { l.askInTurn(ctx) })
	l.wg.Go(func() { l.askEach(ctx) })
	l.wg.Go(func() { l.sample(ctx) })
	return l
}

// end stops the requests and tells what came of them.
func (l *load) end() {
	l.d.t.Helper()
	l.cancel()
	l.wg.Wait()
	const enough = 10
	for i, text := range l.lost {
		if i == enough {
			l.d.t.Errorf("and %d more; the events:\n%s", len(l.lost)-enough, l.d.shell("bayplan events"))
			break
		}
		l.d.t.Error(text)
	}
	l.d.t.Logf("%d requests, %d lost; %d samples, the least with %d healthy", l.asked.Load(), len(l.lost), l.samples, l.least)
	if l.samples < 20 || l.asked.Load() < 200 {
		l.d.t.Error("too few to mean anything")
	}
}

// followStatus hands every status of `bayplan status -w` on until ctx ends.
func (d *dev) followStatus(ctx context.Context, see func(*status.Status)) {
	read, write := io.Pipe()
	cmd := exec.CommandContext(ctx, "bash", "-c", `. "$D/env"; exec bayplan status -w -o json`)
	cmd.Env, cmd.Stdout = append(os.Environ(), "D="+d.dir), write
	p := spawn(d.t, "status", cmd)
	go func() { <-p.gone; write.Close() }()
	for docs := json.NewDecoder(read); ; {
		var st status.Status
		if docs.Decode(&st) != nil {
			return
		}
		see(&st)
	}
}

// newAsker asks on a fresh connection each time, as many clients do.
func newAsker() http.Client {
	return http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// fetch is nil where the whole answer came, and was a good one.
func fetch(c *http.Client, url string) error {
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

func (l *load) see(st *status.Status) {
	var now []target
	for _, w := range st.Workloads {
		for _, s := range w.Slots {
			if w.Name == "hello/web" && !s.Stopping && s.Phase == nodes.Running && s.Health == nodes.Healthy {
				now = append(now, target{s.Container, s.Slot, at(s.Address, s.Ports["http"])})
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = now
}

func at(address string, port int) string {
	return "http://" + net.JoinHostPort(address, strconv.Itoa(port))
}

func (l *load) targets() []target {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// askInTurn is a simple balancer: one after the other of the present addresses.
// It may lose nothing at all.
func (l *load) askInTurn(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		now := l.targets()
		if len(now) == 0 {
			l.lose("no address to ask")
			return
		}
		x := now[i%len(now)]
		if err := l.get(x.url + "/"); err != nil {
			l.lose("in turn: %s: %v", x.slot, err)
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// askEach asks every instance that was healthy once, and goes on until the
// engine (or its own log) says that it is being stopped.
func (l *load) askEach(ctx context.Context) {
	known := map[string]bool{}
	for ctx.Err() == nil {
		for _, x := range l.targets() {
			if !known[x.container] {
				known[x.container] = true
				l.wg.Go(func() { l.askOne(ctx, x) })
			}
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func (l *load) askOne(ctx context.Context, x target) {
	for ctx.Err() == nil {
		began := time.Now()
		err := l.get(x.url + "/")
		stops := l.stopOf(x.container)
		if err != nil && (stops.IsZero() || began.Before(stops)) {
			l.lose("%s of %.12s, asked at %s: %v; its stop: %s", x.slot, x.container, began, err, stops)
		}
		if !stops.IsZero() {
			return
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// stopOf is when the engine sent the container a signal; zero if it has not.
func (l *load) stopOf(container string) time.Time {
	for _, e := range l.rec.since(l.mark, action("kill", "hello/web")) {
		if e.id == container {
			return e.at
		}
	}
	return time.Time{}
}

// sample counts twenty times a second how many instances answer their health
// check, of all that the engine has, whatever any status says.
func (l *load) sample(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.wg.Go(func() { l.count(time.Now(), l.live()) })
		}
	}
}

// live are the containers that have been started and have not ended, with the
// URL of each. Those from before the record are the present targets.
func (l *load) live() map[string]string {
	all := map[string]string{}
	for _, x := range l.targets() {
		all[x.container] = x.url
	}
	ofWeb := func(e *event) bool { return action("start", "hello/web")(e) || action("die", "hello/web")(e) }
	for _, e := range l.rec.since(l.mark, ofWeb) {
		if e.what == "start" {
			all[e.id] = at(l.address[e.node], e.ports["http"])
		} else {
			delete(all, e.id)
		}
	}
	return all
}

func (l *load) count(began time.Time, live map[string]string) {
	var up atomic.Int32
	var wg sync.WaitGroup
	for url := range maps.Values(live) {
		wg.Go(func() {
			if l.get(url+"/up") == nil {
				up.Add(1)
			}
		})
	}
	wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples++
	l.least = min(l.least, int(up.Load()))
	if int(up.Load()) < l.promised {
		l.lost = append(l.lost, fmt.Sprintf("%d of %d healthy at %s, promised were %d", up.Load(), len(live), began, l.promised))
	}
}

func (l *load) get(url string) error {
	l.asked.Add(1)
	return fetch(&l.client, url)
}

func (l *load) lose(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = append(l.lost, fmt.Sprintf(format, args...))
}

// pause keeps a client from taking the whole machine.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
