package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
)

// sshRemote runs git-upload-pack on a host. The connection is made here rather
// than by go-git, whose handshake has no deadline and whose settings come from
// the user's ~/.ssh/config.
type sshRemote struct {
	cfg  Config
	ep   *transport.Endpoint
	addr string
}

func newSSH(cfg Config, ep *transport.Endpoint) (remote, error) {
	port := ep.Port
	if port == 0 {
		port = 22
	}
	s := &sshRemote{cfg: cfg, ep: ep, addr: net.JoinHostPort(strings.Trim(ep.Host, "[]"), strconv.Itoa(port))}
	return &network{cfg: cfg, dial: s.dial, tell: s.tell}, nil
}

func (s *sshRemote) tell(err error) error {
	if err != nil && strings.Contains(err.Error(), "ssh: unable to authenticate") {
		return s.refused()
	}
	return tellCommon(s.cfg, err)
}

func (s *sshRemote) dial(ctx context.Context) (session, error) {
	keys, release, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	hosts, err := openKnownHosts(s.cfg.KnownHostsFile)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	client, err := s.handshake(conn, keys, hosts)
	if err == nil {
		var out *sshSession
		if out, err = s.start(client, stop); err == nil {
			return out, nil
		}
		client.Close()
	}
	stop()
	return nil, errors.Join(err, ignoreClosed(conn.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *sshRemote) handshake(conn net.Conn, keys ssh.AuthMethod, hosts *knownHosts) (*ssh.Client, error) {
	var refused error // the library would wrap it into text
	c, chans, reqs, err := ssh.NewClientConn(conn, s.addr, &ssh.ClientConfig{
		User:              cmp.Or(s.ep.User, "git"),
		Auth:              []ssh.AuthMethod{keys},
		HostKeyAlgorithms: hosts.algorithms(s.addr),
		HostKeyCallback: func(addr string, remote net.Addr, key ssh.PublicKey) error {
			refused = hosts.check(addr, remote, key)
			return refused
		},
	})
	if refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	return ssh.NewClient(c, chans, reqs), nil
}

// start runs git-upload-pack.
func (s *sshRemote) start(client *ssh.Client, stop func() bool) (*sshSession, error) {
	run, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	out := &sshSession{client: client, run: run, stop: stop}
	run.Stderr = &out.complaint
	if out.in, err = run.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := run.StdoutPipe()
	if err != nil {
		return nil, err
	}
	out.out = &capped{stdout, s.cfg.MaxFetch}
	return out, run.Start("git-upload-pack " + quote(s.ep.Path))
}

// quote makes a path one word for the shell at the other side.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }

// sshSession is one run of git-upload-pack.
type sshSession struct {
	client    *ssh.Client
	run       *ssh.Session
	in        io.WriteCloser
	out       io.Reader
	complaint head
	stop      func() bool
	asked     bool
}

func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	refs := packp.NewAdvRefs()
	err := refs.Decode(s.out)
	if errors.Is(err, packp.ErrEmptyAdvRefs) || err == nil && refs.IsEmpty() {
		return nil, transport.ErrEmptyRemoteRepository
	}
	if err != nil {
		return nil, s.why(err)
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	return refs, nil
}

// why adds what the other side wrote to its error output.
func (s *sshSession) why(err error) error {
	if errors.Is(err, packp.ErrEmptyInput) {
		_ = s.run.Wait() // its exit code says less than its words
	}
	words := s.complaint.String()
	if strings.Contains(words, "does not appear to be a git repository") || strings.Contains(strings.ToLower(words), "repository not found") {
		return transport.ErrRepositoryNotFound
	}
	if words == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, words)
}

func (s *sshSession) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if req.IsEmpty() {
		return nil, transport.ErrEmptyUploadPackRequest
	}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	s.asked = true
	if err := s.send(req); err != nil {
		return nil, s.why(err)
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(io.NopCloser(s.out)); err != nil {
		return nil, s.why(err)
	}
	return res, nil
}

func (s *sshSession) send(req *packp.UploadPackRequest) error {
	if err := req.UploadRequest.Encode(s.in); err != nil {
		return err
	}
	if err := req.UploadHaves.Encode(s.in, true); err != nil {
		return err
	}
	if err := pktline.NewEncoder(s.in).EncodeString("done\n"); err != nil {
		return err
	}
	return s.in.Close()
}

// Close says good-bye if nothing was asked for, and ends the connection.
func (s *sshSession) Close() error {
	if !s.asked {
		_, _ = s.in.Write(pktline.FlushPkt)
	}
	_ = s.run.Close() // closed already where the other side has ended
	err := s.client.Close()
	s.stop()
	return ignoreClosed(err)
}

// head keeps the beginning of what is written to it.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), max(0, 4096-h.buf.Len()))])
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return plain(strings.TrimSpace(h.buf.String()))
}
