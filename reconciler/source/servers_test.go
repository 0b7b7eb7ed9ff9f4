package source

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// inetd starts a program for each connection, with it as input and output, as the
// super-server does; what it complains of goes to the test's log.
func inetd(t *testing.T, name string, args ...string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	serve := func(conn *net.TCPConn) {
		defer conn.Close()
		f, err := conn.File()
		if err != nil {
			return
		}
		defer f.Close()
		cmd := exec.Command(name, args...)
		cmd.Stdin, cmd.Stdout = f, f
		_ = cmd.Run() // its end is the connection's, whoever ended it
	}
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		group.Wait()
	})
	return l.Addr().String()
}

// follow has a source see the first commit, another one, and a rewritten branch.
func (r *repo) followed(t *testing.T, cfg Config) {
	t.Helper()
	first := r.push("a.cue", "one", "first")
	w := watch(t, cfg)
	w.tip(first)
	second := r.push("a.cue", "two", "second")
	w.s.Poke()
	if got := content(t, w.tip(second).Files, "a.cue"); got != "two" {
		t.Errorf("content %q", got)
	}
	r.git("reset", "-q", "--hard", first)
	rewritten := r.commit("b.cue", "three", "rewritten")
	r.git("push", "-q", "--force", "origin", "HEAD:main")
	w.s.Poke()
	w.tip(rewritten)
	if ok, err := w.s.Descends(t.Context(), second, rewritten); ok || err != nil {
		t.Errorf("Descends: %v, %v", ok, err)
	}
	r.git("push", "-q", "origin", ":main")
	w.s.Poke()
	w.trouble(CodeBranchMissing)
}

// debianSSHD is Debian's sshd with git-shell, which lets nothing else through, for one
// key: the repository's address there, and what known_hosts must say.
func debianSSHD(t *testing.T, r *repo, allowed ssh.PublicKey) (url, known string) {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	shell, err := exec.LookPath("git-shell")
	if _, serr := os.Stat(sshd); err != nil || serr != nil {
		t.Skip("no sshd, or no git-shell: install openssh-server and git")
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skip(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, hostKey := newKey(t)
	config := file(t, fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"+
		"PermitRootLogin prohibit-password\nForceCommand %s -c \"$SSH_ORIGINAL_COMMAND\"\n", hostKey, file(t, string(ssh.MarshalAuthorizedKey(allowed))), shell))
	said := filepath.Join(t.TempDir(), "sshd.log")
	address := inetd(t, sshd, "-i", "-f", config, "-E", said)
	t.Cleanup(func() {
		if text, err := os.ReadFile(said); t.Failed() && err == nil {
			t.Logf("sshd said:\n%s", text)
		}
	})
	return "ssh://" + me.Username + "@" + address + r.bare, knownhosts.Line([]string{address}, host.PublicKey()) + "\n"
}

func TestServers_SSHDWithGitShell(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		client, clientKey := newKey(t)
		cfg := r.config()
		cfg.Backend, cfg.KeyFile = backend, clientKey
		cfg.KnownHostsFile = filepath.Join(t.TempDir(), "known_hosts")
		var known string
		cfg.URL, known = debianSSHD(t, r, client.PublicKey())
		unknown, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := follows(t, unknown)
		w.trouble(CodeHostKeyUnknown)
		w.stop()
		if err := os.WriteFile(cfg.KnownHostsFile, []byte(known), 0o600); err != nil {
			t.Fatal(err)
		}
		r.followed(t, cfg)
	})
}

// Debian's ssh-agent holds the key, and no file of ours does.
func TestServers_SSHAgent(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		client, clientKey := newKey(t)
		cfg := r.config()
		var known string
		cfg.URL, known = debianSSHD(t, r, client.PublicKey())
		cfg.Backend, cfg.KnownHostsFile, cfg.AgentSocket = backend, file(t, known), sshAgent(t)
		r.push("z.cue", "zero", "before")
		for _, step := range []struct{ key, backend, code, text string }{
			{"", BackendGo, CodeCredentials, "offers no key"},
			{"", BackendExec, CodeUnauthorized, "refuses the keys of the ssh agent"},
			{"stranger", "", CodeUnauthorized, "refuses the keys of the ssh agent"},
		} {
			if step.key != "" {
				_, stranger := newKey(t)
				sshAdd(t, cfg.AgentSocket, stranger)
			}
			if step.backend != "" && step.backend != backend {
				continue
			}
			w := watch(t, cfg)
			if got := w.trouble(step.code); !strings.Contains(got.Text, step.text) || !strings.Contains(got.Next, "SSH_AUTH_SOCK="+cfg.AgentSocket) {
				t.Errorf("%+v", got)
			}
			w.stop()
		}
		sshAdd(t, cfg.AgentSocket, clientKey)
		r.followed(t, cfg)
	})
}

// sshAgent is the socket of an agent without keys.
func sshAgent(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "socket")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no ssh-agent: install openssh-client")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil { // it listens by then
		t.Fatalf("ssh-agent: %q, %v", line, err)
	}
	return socket
}

func sshAdd(t *testing.T, socket, key string) {
	t.Helper()
	cmd := exec.Command("ssh-add", "-q", key)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v %s", err, out)
	}
}

// git daemon speaks a protocol of its own, which the git binary alone has.
func TestServers_GitDaemon(t *testing.T) {
	r := newRepo(t)
	address := inetd(t, "git", "daemon", "--inetd", "--export-all", "--base-path="+filepath.Dir(r.bare), filepath.Dir(r.bare))
	cfg := r.config()
	cfg.URL = "git://" + address + "/repo.git"
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), `"git" is not supported`) {
		t.Errorf("the other backend: %v", err)
	}
	cfg.Backend, cfg.Dir = BackendExec, t.TempDir()
	r.followed(t, cfg)
}

func TestServers_OnDiskByGit(t *testing.T) {
	r := newRepo(t)
	cfg := r.config()
	cfg.Backend = BackendExec
	r.followed(t, cfg)
}

// The git binary knows nothing of whom it runs for: a user's settings, a hook or
// a helper would have it do what no one meant.
func TestGitBinary_SeesNoSettings(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	home := t.TempDir()
	trap := filepath.Join(home, "sprung")
	script := filepath.Join(home, "trap")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+trap+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf("[credential]\n\thelper = %s\n[core]\n\tfsmonitor = %s\n\tsshCommand = %s\n\thooksPath = %s\n[url \"ext::%s\"]\n\tinsteadOf = file://\n[protocol \"ext\"]\n\tallow = always\n",
		script, script, script, home, script)
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_SSH_COMMAND", script)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, ".gitconfig"))
	t.Setenv("GIT_EXTERNAL_DIFF", script)
	cfg := r.config()
	cfg.Backend = BackendExec
	w := watch(t, cfg)
	w.tip(first)
	if _, err := os.Stat(trap); err == nil {
		t.Error("a setting of the user's had effect")
	}
}

func TestOpen_UnknownBackend(t *testing.T) {
	if _, err := Open(Config{URL: t.TempDir(), Dir: t.TempDir(), Backend: "svn"}); err == nil || !strings.Contains(err.Error(), `"svn" is no backend`) {
		t.Error(err)
	}
}
