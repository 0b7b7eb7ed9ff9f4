package source

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// remote is where commits come from.
type remote interface {
	// ask connects and reads the refs, nothing more.
	ask(ctx context.Context) (answer, error)
	// complete brings the tree of a commit that the mirror knows of.
	complete(ctx context.Context, m *mirror, commit plumbing.Hash) error
	// listen calls changed when the branch may have moved, until stop is
	// called; it is a hint only.
	listen(changed func()) (stop func() error, err error)
	close() error
}

// answer is one conversation with a remote: at most one bring, then close.
type answer interface {
	// head is the commit of the tracked branch.
	head() plumbing.Hash
	// bring adds what the mirror lacks of head: its history and, below the root
	// folder, its files. haves are commits that the mirror has whole.
	bring(ctx context.Context, m *mirror, haves []plumbing.Hash) error
	close() error
}

// newRemote chooses by the URL.
func newRemote(cfg Config) (remote, error) {
	if strings.Contains(cfg.URL, "://") {
		if err := checkURL(cfg.URL); err != nil {
			return nil, err
		}
	}
	if cfg.URL == "" {
		return nil, fmt.Errorf("git source: no repository given")
	}
	ep, err := transport.NewEndpoint(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("git source: %w", err)
	}
	switch {
	case cfg.Backend != BackendGo && cfg.Backend != BackendExec:
		return nil, fmt.Errorf("git source: %q is no backend: want %s or %s", cfg.Backend, BackendGo, BackendExec)
	case ep.Protocol == "http" && (cfg.TokenFile != "" || cfg.UserFile != "" || cfg.App.used()) && !loopback(ep.Host):
		return nil, fmt.Errorf("git source: %s would send the token in the clear: use https://", cfg.URL)
	case cfg.App.used() && ep.Protocol != "http" && ep.Protocol != "https":
		return nil, fmt.Errorf("git source: a GitHub App is for https://, not for %s", cfg.URL)
	case ep.Protocol == "ssh" && cfg.KeyFile == "" && cfg.AgentSocket == "":
		return nil, fmt.Errorf("git source: %s needs the file of a private key, or an ssh agent", cfg.URL)
	case cfg.Backend == BackendExec && slices.Contains([]string{"file", "git", "http", "https", "ssh"}, ep.Protocol):
		return newBinary(cfg, ep)
	}
	switch ep.Protocol {
	case "file":
		return newLocal(cfg, ep.Path), nil
	case "http", "https":
		return newHTTP(cfg, ep)
	case "ssh":
		return newSSH(cfg, ep)
	}
	return nil, fmt.Errorf("git source: %s: %q is not supported: use a path, file://, https:// or ssh://", cfg.URL, ep.Protocol)
}

// checkURL keeps secrets out of what ends up in logs and on command lines.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("git source: the repository's address is no URL: %w", withoutURL(err))
	}
	if _, ok := u.User.Password(); ok {
		return fmt.Errorf("git source: %s holds a password: remove it and put it into a file of its own", u.Redacted())
	}
	return nil
}
