package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

// giteaServer is a Gitea of the test's own on loopback, with one user.
type giteaServer struct {
	s          *site
	url, token string
	// dir is its own: it runs as nobody.
	dir, binary string
}

const giteaConfig = `RUN_MODE = prod
RUN_USER = %[4]s
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[1]s
ROOT_URL = http://127.0.0.1:%[1]s/
DISABLE_SSH = true
OFFLINE_MODE = true
STATIC_ROOT_PATH = %[3]s
[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db
[security]
INSTALL_LOCK = true
[webhook]
ALLOWED_HOST_LIST = loopback
[log]
MODE = console
LEVEL = Warn
`

func startGitea(t *testing.T, s *site) *giteaServer {
	t.Helper()
	binary, err := filepath.Abs("../../bin/gitea/gitea")
	if _, serr := os.Stat(binary); err != nil || serr != nil {
		t.Skip("no Gitea: make gitea")
	}
	dir, err := os.MkdirTemp("", "bayplan-gitea")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := freeAddress(t)
	g := &giteaServer{s: s, url: "http://" + address, dir: dir, binary: binary}
	_, port, _ := strings.Cut(address, ":")
	writeFile(t, filepath.Join(dir, "custom/conf/app.ini"), fmt.Sprintf(giteaConfig, port, dir, filepath.Dir(binary), g.user()))
	if os.Geteuid() == 0 {
		run(t, "chown", "-R", g.user(), dir)
	}
	web := spawn(t, "gitea", g.command("web"))
	s.eventually("Gitea that listens", func() bool {
		if !web.running() {
			t.Fatalf("Gitea ended:\n%s", web.tail(5))
		}
		return dials(address)
	})
	g.run("admin", "user", "create", "--username", "ann", "--password", "a-long-password-1", "--email", "ann@example.invalid", "--admin", "--must-change-password=false")
	lines := strings.Fields(g.run("admin", "user", "generate-access-token", "--username", "ann", "--token-name", "e2e", "--scopes", "all", "--raw"))
	g.token = lines[len(lines)-1]
	return g
}

// user is whom it runs as: it does not want to be root.
func (g *giteaServer) user() string {
	if os.Geteuid() == 0 {
		return "nobody"
	}
	return os.Getenv("USER")
}

func (g *giteaServer) command(args ...string) *exec.Cmd {
	words := append([]string{g.binary}, args...)
	if os.Geteuid() == 0 {
		words = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, words...)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = g.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir, "USER=" + g.user(), "GITEA_WORK_DIR=" + g.dir, "GITEA_CUSTOM=" + filepath.Join(g.dir, "custom")}
	return cmd
}

func (g *giteaServer) run(args ...string) string {
	g.s.t.Helper()
	out, err := g.command(args...).Output()
	if err != nil {
		g.s.t.Fatalf("gitea %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// call asks the API, and reads the answer into v.
func (g *giteaServer) call(method, path string, body, v any) {
	g.s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		g.s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(g.s.t.Context(), method, g.url+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		g.s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "token "+g.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		g.s.t.Fatal(err)
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		g.s.t.Fatalf("%s %s: %s %v\n%s", method, path, res.Status, err, said)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(said, v); err != nil {
		g.s.t.Fatalf("%s %s: %v\n%s", method, path, err, said)
	}
}

// state is what a commit's newest status of a kind is: "success", or "" for none yet.
func (g *giteaServer) state(commit, kind string) string {
	g.s.t.Helper()
	var all struct {
		Statuses []struct{ Status, Context string }
	}
	g.call(http.MethodGet, "/repos/ann/infra/commits/"+commit+"/status", nil, &all)
	for _, s := range all.Statuses {
		if strings.HasPrefix(s.Context, "bayplan/") && strings.HasSuffix(s.Context, "/"+kind) {
			return s.Status
		}
	}
	return ""
}

// A pull request of a real Gitea is planned and commented, its merge deploys, and a
// webhook is all that the server hears by: it polls once an hour.
func TestE2E_GiteaPullRequest(t *testing.T) {
	s := build(t)
	g := startGitea(t, s)
	g.call(http.MethodPost, "/user/repos", map[string]any{"name": "infra", "default_branch": "main"}, nil)
	secret, token := filepath.Join(s.dir, "secret"), filepath.Join(s.dir, "token")
	writeFile(t, secret, "the secret of a test\n")
	writeFile(t, token, g.token+"\n")
	hooks := freeAddress(t)
	g.call(http.MethodPost, "/repos/ann/infra/hooks", map[string]any{"type": "gitea", "active": true, "events": []string{"push", "pull_request", "pull_request_sync"},
		"config": map[string]string{"url": "http://" + hooks + "/hooks/gitea", "content_type": "json", "secret": "the secret of a test"}}, nil)
	s.repo = g.url + "/ann/infra.git"
	s.flags = []string{"--forge", "gitea", "--forge-token-file", token, "--git-token-file", token, "--webhook-secret-file", secret, "--webhook-listen", hooks, "--poll", "1h"}
	s.shell("git -C " + s.clone + " remote set-url origin " + strings.Replace(g.url, "http://", "http://ann:"+g.token+"@", 1) + "/ann/infra.git")
	s.put("shop/web", sleeper)
	first := s.commit("before the server starts")
	s.up(1)
	s.wantOutcome(first, reconciler.Applied)

	s.shell("git -C " + s.clone + " switch -q -c change && git -C " + s.clone + " config push.autoSetupRemote true")
	s.put("shop/more", sleeper)
	head := s.commit("another workload")
	g.call(http.MethodPost, "/repos/ann/infra/pulls", map[string]string{"base": "main", "head": "change", "title": "more"}, nil)
	s.eventually("status of the plan", func() bool { return g.state(head, "plan") == "success" })
	var comments []struct{ Body string }
	g.call(http.MethodGet, "/repos/ann/infra/issues/1/comments", nil, &comments)
	if len(comments) != 1 || !strings.Contains(comments[0].Body, "shop/more") {
		t.Errorf("the pull request has the comments %+v", comments)
	}

	g.call(http.MethodPost, "/repos/ann/infra/pulls/1/merge", map[string]string{"Do": "merge"}, nil)
	var merged struct {
		Commit struct{ ID string }
	}
	g.call(http.MethodGet, "/repos/ann/infra/branches/main", nil, &merged)
	s.eventually("look that the webhook caused", func() bool { return s.status().Revision.Commit == merged.Commit.ID })
	s.wantOutcome(merged.Commit.ID, reconciler.Applied)
	s.eventually("status of the deployment", func() bool { return g.state(merged.Commit.ID, "deploy") == "success" })
	if got := healthy(s.status(), "shop/more"); got == 0 {
		t.Error("what was merged does not run")
	}
}
