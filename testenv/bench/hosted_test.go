package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// BenchmarkPolled pushes over HTTP to a server that looks every five seconds, each
// time right after it has looked, which is the worst moment.
func BenchmarkPolled(b *testing.B) {
	const times, limit = 4, 5500 * time.Millisecond
	h := newHost(b, oneCommit)
	c := &cluster{b: b, dir: b.TempDir(), env: os.Environ()}
	c.serve(h, "--poll", "5s")
	var took series
	for i := range times {
		h.afterLook()
		began := time.Now()
		h.push("shop/web.yaml", one(i))
		e := c.await("phase", taken(fmt.Sprintf("shop/web%d", i)))
		took = append(took, e.Time.Sub(began))
	}
	worst := slices.Max(took)
	report(b, worst, "worst")
	results.add(row{rank: 33, what: "git push over HTTP, right after a look of a 5s poll, to the order at the agent, worst", limit: "<= " + ms(limit),
		measured: ms(worst) + ": " + took.String(), within: worst <= limit})
}

// oneCommit is a history of one commit.
func oneCommit(w io.Writer) {
	fmt.Fprint(w, "commit refs/heads/main\ncommitter Ann <ann@example.org> 1700000000 +0000\ndata 5\nstart\nM 644 inline README\ndata 1\nx\n")
}

// one is the i-th text, of one workload that no other had.
func one(i int) string {
	return fmt.Sprintf("workloads: {web%d: {kind: service, image: \"127.0.0.1:1/x@sha256:%064d\", resources: {cpu: 10m, memory: 8Mi}}}\n", i, i)
}

// BenchmarkHooked pushes over HTTP to a server that polls once an hour and is told by
// a webhook, as Gitea sends it once the branch has moved.
func BenchmarkHooked(b *testing.B) {
	const times, limit, secret = 20, 300 * time.Millisecond, "the secret of a benchmark"
	h := newHost(b, oneCommit)
	c := &cluster{b: b, dir: b.TempDir(), env: os.Environ()}
	file := filepath.Join(c.dir, "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		b.Fatal(err)
	}
	hooks := c.serve(h, "--poll", "1h", "--webhook-secret-file", file, "--webhook-listen", "127.0.0.1:0")
	var took, whole series
	for i := range times {
		before := time.Now()
		h.push("shop/web.yaml", one(i))
		began := time.Now()
		hook(b, hooks+"gitea", secret)
		e := c.await("phase", taken(fmt.Sprintf("shop/web%d", i)))
		took, whole = append(took, e.Time.Sub(began)), append(whole, e.Time.Sub(before))
	}
	report(b, took.median(), "to-order")
	results.add(row{rank: 34, what: "git push over HTTP with a webhook, to the order at the agent: from the webhook", limit: "<= " + ms(limit),
		measured: fmt.Sprintf("%s, worst %s; from before git commit and push: %s", took, ms(slices.Max(took)), whole), within: took.median() <= limit})
}

// hook tells of a push.
func hook(b *testing.B, url, secret string) {
	b.Helper()
	const body = `{"ref": "refs/heads/main"}`
	sum := hmac.New(sha256.New, []byte(secret))
	sum.Write([]byte(body))
	r, err := http.NewRequestWithContext(life, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Gitea-Signature", hex.EncodeToString(sum.Sum(nil)))
	r.Header.Set("X-Gitea-Event", "push")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		b.Fatalf("the webhook was answered with %s", answer.Status)
	}
}

// taken is a workload's first word from the agent.
func taken(workload string) func(status.Event) bool {
	return func(e status.Event) bool { return e.Kind == "phase" && e.Workload == workload }
}

// afterLook returns as soon as the server was asked for its refs once more.
func (h *host) afterLook() {
	h.b.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for before := h.asked(); h.asked() == before && life.Err() == nil; {
		<-tick.C
	}
}

// serve starts a server that follows the host, and one agent; webhooks is where it
// hears them, if it does.
func (c *cluster) serve(h *host, flags ...string) (webhooks string) {
	c.b.Helper()
	ready := filepath.Join(c.dir, "ready.json")
	server, stop := c.spawn(append([]string{"server", "--repo", h.url, "--data-dir", filepath.Join(c.dir, "server"), "--listen", "127.0.0.1:0", "--ready-file", ready}, flags...)...)
	c.b.Cleanup(func() { _ = stop() })
	var at struct {
		Server, CA, Cert, Key, Webhooks string
		Join                            []string
	}
	go drain(server)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); len(at.Join) == 0; <-tick.C {
		if text, err := os.ReadFile(ready); err == nil {
			_ = json.Unmarshal(text, &at) // half of it is none
		}
		if time.Since(began) > patience || life.Err() != nil {
			c.b.Fatal("the server does not serve")
		}
	}
	c.env = append(c.env, "BAYPLAN_SERVER="+at.Server, "BAYPLAN_CA="+at.CA, "BAYPLAN_CERT="+at.Cert, "BAYPLAN_KEY="+at.Key)
	agent, end := c.spawn("agent", "--join", at.Join[0], "--node", "n1", "--data-dir", filepath.Join(c.dir, "n1"), "--publish", "127.0.0.1")
	c.b.Cleanup(func() { _ = end() })
	go drain(agent)
	c.follow()
	return at.Webhooks
}
