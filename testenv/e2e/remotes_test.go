package e2e

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bayplan/bayplan/reconciler"
)

var dialer net.Dialer

// A repository behind sshd: a host that is not in known_hosts is an error with
// its fingerprint; once it is there, pushes are found by polling.
func TestE2E_RemoteBySSH(t *testing.T) {
	s := build(t)
	host := startSSHD(t, s)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(s.dir, "known_hosts")
	writeFile(t, known, "")
	s.repo = "ssh://" + me.Username + "@" + host.address + filepath.Join(s.dir, "repo.git")
	s.flags = []string{"--git-key-file", host.clientKey, "--git-known-hosts", known, "--poll", "1s"}
	s.put("shop/web", sleeper)
	commit := s.commit("before the server starts")
	s.up(1)
	s.wantProblem("git-host-key-unknown", []string{host.fingerprint, known}, "if that is the host's fingerprint: echo '")
	s.shell(nextStep(s, "git-host-key-unknown")) // as it is printed, it works
	s.wantOutcome(commit, reconciler.Applied)
	running := s.containers()
	s.put("shop/more", sleeper)
	s.wantOutcome(s.commit("seen by polling"), reconciler.Applied)

	host.stop()
	s.wantProblem("git-unreachable", []string{host.address}, "")
	wantSame(t, "shop/web", running, s.of("shop/web"))
}

// nextStep is the command that a problem's next step ends with.
func nextStep(s *site, code string) string {
	for _, p := range s.status().Problems {
		if _, command, ok := strings.Cut(p.Next, ": "); ok && p.Code == code {
			return command
		}
	}
	s.t.Fatalf("no problem %s", code)
	return ""
}

// sshd is one of the test's own on loopback.
type sshd struct {
	*process
	address, clientKey, fingerprint string
}

func startSSHD(t *testing.T, s *site) *sshd {
	t.Helper()
	program, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("no sshd: install openssh-server")
	}
	if os.Getuid() == 0 { // it wants an empty folder of root's there
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skip(err)
		}
	}
	h := &sshd{address: freeAddress(t), clientKey: filepath.Join(s.dir, "client")}
	hostKey := filepath.Join(s.dir, "host")
	for _, key := range []string{hostKey, h.clientKey} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	}
	h.fingerprint = strings.Fields(run(t, "ssh-keygen", "-l", "-f", hostKey+".pub"))[1]
	ip, port, err := net.SplitHostPort(h.address)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(s.dir, "sshd_config")
	writeFile(t, config, fmt.Sprintf("ListenAddress %s\nPort %s\nHostKey %s\nAuthorizedKeysFile %s.pub\nPidFile none\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n", ip, port, hostKey, h.clientKey))
	h.process = spawn(t, "sshd", exec.Command(program, "-D", "-e", "-f", config))
	s.eventually("sshd that listens", func() bool {
		if !h.running() {
			t.Fatalf("sshd ended:\n%s", h.tail(5))
		}
		return dials(h.address)
	})
	return h
}

// A repository behind TLS and a password: both are checked, the password is
// read anew from its file when it changes, and what runs goes on meanwhile.
func TestE2E_RemoteByHTTPS(t *testing.T) {
	s := build(t)
	g := serveGit(t, s.dir)
	file := func(name, text string) string {
		path := filepath.Join(s.dir, name)
		writeFile(t, path, text)
		return path
	}
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}))
	s.repo = g.URL + "/repo.git"
	s.flags = []string{"--git-user-file", file("user", "ann\n"), "--git-token-file", file("token", "old\n"),
		"--git-ca-file", file("ca.pem", ca), "--poll", "1s"}
	s.put("shop/web", sleeper)
	commit := s.commit("before the server starts")
	s.up(1)
	s.wantOutcome(commit, reconciler.Applied)
	running := s.containers()

	g.token.Store("new")
	s.put("shop/more", sleeper)
	commit = s.commit("pushed while the token is a former one")
	s.wantProblem("git-unauthorized", []string{g.Listener.Addr().String()}, "token")
	wantSame(t, "without a token", running, s.containers())
	file("token", "new\n")
	s.wantOutcome(commit, reconciler.Applied)
	wantSame(t, "shop/web", running, s.of("shop/web"))
	if said := s.server.said(); strings.Contains(said, "old\n") || strings.Contains(said, "ann:") {
		t.Errorf("the log tells the password:\n%s", said)
	}
}

// gitServer serves a folder's repositories by git's own http-backend.
type gitServer struct {
	*httptest.Server
	token atomic.Value
}

func serveGit(t *testing.T, dir string) *gitServer {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git")
	}
	g := &gitServer{}
	g.token.Store("old")
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: dir, Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + dir}}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, token, _ := r.BasicAuth(); who != "ann" || token != g.token.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	g.Config.ErrorLog = log.New(io.Discard, "", 0)
	g.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	g.StartTLS()
	t.Cleanup(g.Close)
	return g
}
