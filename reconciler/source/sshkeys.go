package source

import (
	"context"
	"errors"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keys are what opens the host: the key of the file or, without one, those that an
// agent holds. The agent is asked during the handshake alone, before release.
func (s *sshRemote) keys(ctx context.Context) (keys ssh.AuthMethod, release func(), err error) {
	if s.cfg.KeyFile != "" {
		signer, err := s.key()
		return ssh.PublicKeys(signer), func() {}, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.cfg.AgentSocket)
	if err != nil {
		return nil, nil, s.noAgent("no ssh agent listens at "+s.cfg.AgentSocket, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	release = func() {
		stop()
		conn.Close()
	}
	signers, err := agent.NewClient(conn).Signers()
	if err == nil && len(signers) == 0 {
		err = errors.New("it holds no key")
	}
	if err != nil {
		release()
		return nil, nil, s.noAgent("the ssh agent at "+s.cfg.AgentSocket+" offers no key", err)
	}
	return ssh.PublicKeys(signers...), release, nil
}

func (s *sshRemote) noAgent(text string, err error) error {
	return &fault{CodeCredentials, text, "SSH_AUTH_SOCK=" + s.cfg.AgentSocket + " ssh-add -l", err}
}

func (s *sshRemote) key() (ssh.Signer, error) {
	pem, err := os.ReadFile(s.cfg.KeyFile)
	if err != nil {
		return nil, &fault{CodeCredentials, "the ssh key cannot be read", "ls -l " + s.cfg.KeyFile, err}
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if _, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		return nil, &fault{CodeCredentials, s.cfg.KeyFile + " is locked with a passphrase", "ssh-keygen -p -f " + s.cfg.KeyFile, nil}
	}
	if err != nil {
		return nil, &fault{CodeCredentials, s.cfg.KeyFile + " is no private ssh key", "ssh-keygen -y -f " + s.cfg.KeyFile, err}
	}
	return signer, nil
}

func (s *sshRemote) refused() error {
	if s.cfg.KeyFile == "" {
		return &fault{CodeUnauthorized, s.cfg.URL + " refuses the keys of the ssh agent at " + s.cfg.AgentSocket,
			"SSH_AUTH_SOCK=" + s.cfg.AgentSocket + " ssh-add -L, and allow one of the keys that it prints there", nil}
	}
	return &fault{CodeUnauthorized, s.cfg.URL + " refuses the key " + s.cfg.KeyFile,
		"ssh-keygen -y -f " + s.cfg.KeyFile + ", and allow the key that it prints there", nil}
}
