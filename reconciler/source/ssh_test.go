package source

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer is a host that lets one key run git-upload-pack.
type sshServer struct {
	net.Listener
	t       *testing.T
	signer  ssh.Signer
	allowed ssh.PublicKey
	group   sync.WaitGroup
}

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, file(t, string(pem.EncodeToMemory(block)))
}

// serveSSH listens on loopback and returns the private key's file too.
func serveSSH(t *testing.T, host ssh.Signer) (*sshServer, string) {
	t.Helper()
	client, keyFile := newKey(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{Listener: l, t: t, signer: host, allowed: client.PublicKey()}
	s.group.Go(s.accept)
	t.Cleanup(func() {
		l.Close()
		s.group.Wait()
	})
	return s, keyFile
}

func (s *sshServer) accept() {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.group.Go(func() { s.serve(conn) })
	}
}

func (s *sshServer) serve(conn net.Conn) {
	defer conn.Close()
	cfg := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(s.allowed.Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	cfg.AddHostKey(s.signer)
	c, channels, requests, err := ssh.NewServerConn(conn, cfg)
	if err != nil {
		return
	}
	defer c.Close()
	s.group.Go(func() { ssh.DiscardRequests(requests) })
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		s.group.Go(func() { s.session(channel, requests) })
	}
}

// session runs what the client asks for, as sshd does: by the shell.
func (s *sshServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for req := range requests {
		if req.Type != "exec" {
			_ = req.Reply(false, nil)
			continue
		}
		var command struct{ Line string }
		if err := ssh.Unmarshal(req.Payload, &command); err != nil || !strings.HasPrefix(command.Line, "git-upload-pack '") {
			_ = req.Reply(false, nil)
			return
		}
		_ = req.Reply(true, nil)
		cmd := exec.Command("sh", "-c", command.Line)
		cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return
		}
		s.group.Go(func() {
			defer stdin.Close()
			buf := make([]byte, 4096)
			for {
				n, err := channel.Read(buf)
				if _, werr := stdin.Write(buf[:n]); err != nil || werr != nil {
					return
				}
			}
		})
		err = cmd.Run()
		var status struct{ Code uint32 }
		if err != nil {
			status.Code = uint32(cmd.ProcessState.ExitCode())
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

func (s *sshServer) line(key ssh.PublicKey) string {
	return knownhosts.Line([]string{s.Addr().String()}, key) + "\n"
}

func TestSSH_FetchesAndSurvives(t *testing.T) {
	backends(t, func(t *testing.T, backend string) {
		r := newRepo(t)
		first := r.push("a.cue", "one", "first")
		host, _ := newKey(t)
		s, key := serveSSH(t, host)
		cfg := r.config()
		cfg.Backend = backend
		cfg.URL, cfg.KeyFile, cfg.KnownHostsFile = "ssh://git@"+s.Addr().String()+r.bare, key, file(t, s.line(host.PublicKey()))
		w := watch(t, cfg)
		w.tip(first)
		second := r.push("a.cue", "two", "second")
		w.s.Poke()
		if got := content(t, w.tip(second).Files, "a.cue"); got != "two" {
			t.Errorf("content %q", got)
		}
		r.git("push", "-q", "origin", ":main")
		w.s.Poke()
		w.trouble(CodeBranchMissing)
		w.stop()

		cfg.URL, cfg.Dir = cfg.URL+"-not", t.TempDir()
		watch(t, cfg).trouble(CodeRepositoryMissing)
	})
}

func TestSSH_HostKeys(t *testing.T) {
	r := newRepo(t)
	first := r.push("a.cue", "one", "first")
	host, _ := newKey(t)
	other, _ := newKey(t)
	s, key := serveSSH(t, host)
	cfg := r.config()
	cfg.URL, cfg.KeyFile, cfg.KnownHostsFile = "ssh://"+s.Addr().String()+r.bare, key, t.TempDir()+"/known_hosts"
	w := watch(t, cfg)
	got := w.trouble(CodeHostKeyUnknown)
	if !strings.Contains(got.Text, ssh.FingerprintSHA256(host.PublicKey())) || !strings.Contains(got.Next, strings.TrimSpace(s.line(host.PublicKey()))) {
		t.Errorf("unknown host: %s\n%s", got.Text, got.Next)
	}

	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(cfg.KnownHostsFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w.s.Poke()
	}
	write(s.line(other.PublicKey()))
	got = w.trouble(CodeHostKeyChanged)
	for _, want := range []string{ssh.FingerprintSHA256(host.PublicKey()), ssh.FingerprintSHA256(other.PublicKey())} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("changed host key: %s lacks %s", got.Text, want)
		}
	}
	write("@revoked " + s.line(host.PublicKey()))
	if got := w.trouble(CodeHostKeyChanged); !strings.Contains(got.Text, "revoked") {
		t.Errorf("revoked host key: %s", got.Text)
	}
	write("not a line of known_hosts\n")
	w.trouble(CodeCredentials)
	write(s.line(host.PublicKey()))
	w.tip(first)
}

func TestSSH_Keys(t *testing.T) {
	r := newRepo(t)
	r.push("a.cue", "one", "first")
	host, _ := newKey(t)
	s, _ := serveSSH(t, host)
	_, stranger := newKey(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ key, code, text string }{
		"stranger":   {stranger, CodeUnauthorized, "refuses the key"},
		"missing":    {"/nonexistent/key", CodeCredentials, "cannot be read"},
		"locked":     {file(t, string(pem.EncodeToMemory(locked))), CodeCredentials, "passphrase"},
		"not a key":  {file(t, "hello"), CodeCredentials, "no private ssh key"},
		"not a file": {t.TempDir(), CodeCredentials, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := r.config()
			cfg.URL, cfg.KeyFile, cfg.KnownHostsFile = "ssh://"+s.Addr().String()+r.bare, test.key, file(t, s.line(host.PublicKey()))
			if got := watch(t, cfg).trouble(test.code); !strings.Contains(got.Text, test.text) {
				t.Errorf("trouble %q", got.Text)
			}
		})
	}
}

func TestSSH_SilentHostEndsWithWatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRepo(t)
	_, key := newKey(t)
	cfg := r.config()
	cfg.URL, cfg.KeyFile, cfg.KnownHostsFile = "ssh://"+l.Addr().String()+"/x", key, file(t, "")
	w := watch(t, cfg)
	conn, err := l.Accept() // and says nothing: the handshake hangs
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w.stop()
}

func TestNewRemote_SCPLike(t *testing.T) {
	_, key := newKey(t)
	cfg := Config{URL: "git@host.example:team/repo.git", KeyFile: key, Backend: BackendGo}
	if _, err := newRemote(cfg); err != nil {
		t.Error(err)
	}
}
