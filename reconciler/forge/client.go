package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config is how a forge is reached. Repo and TokenFile are required.
type Config struct {
	// Kind is "github", "gitlab", "gitea" or "forgejo"; empty is told by the host
	// of one that is known.
	Kind string
	// Repo is the repository as it is fetched from: its host and path count.
	Repo string
	// API is where the forge's API is, without the last slash; empty is where the
	// kind has it on the repository's host.
	API string
	// TokenFile holds a token that may read pull requests, comment on them and set
	// statuses of commits. It is read for each call.
	TokenFile string
	// CAFile holds more certificates to trust, PEM.
	CAFile string
}

// Request is an open pull request.
type Request struct {
	Number int
	// Head is its newest commit.
	Head string
	// Author is who opened it; Updated is when anything about it last changed.
	Author  string
	Updated time.Time
}

// Approval is a reviewer's word that a pull request may be merged.
type Approval struct {
	By string
	// At is by the forge's clock.
	At time.Time
	// Commit is what was approved; "" where the forge does not tell.
	Commit string
}

// State is a commit status'.
type State string

// The states of a commit, by GitHub's names.
const (
	Pending State = "pending"
	Success State = "success"
	Failure State = "failure"
	Error   State = "error"
)

// CommitStatus is what a forge shows beside a commit.
type CommitStatus struct {
	// Context tells it from others'.
	Context string
	State   State
	// Text is cut to what forges show.
	Text string
}

// maxText is GitHub's limit, the shortest of all.
const maxText = 140

// Client speaks to one repository's forge.
type Client struct {
	dialect
	cfg  Config
	base string
	http *http.Client
}

// hosts are those whose kind their name tells.
var hosts = map[string]string{"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "forgejo", "gitea.com": "gitea"}

// New checks the configuration; it does not call yet.
func New(cfg Config) (*Client, error) {
	host, scheme, project, err := projectOf(cfg.Repo)
	if err != nil {
		return nil, err
	}
	if cfg.Kind == "" {
		cfg.Kind = hosts[host]
	}
	c := &Client{cfg: cfg, base: cfg.API}
	web := scheme + "://" + host
	switch cfg.Kind {
	case "github":
		c.dialect, web = github{project}, web+"/api/v3"
		if host == "github.com" {
			web = "https://api.github.com"
		}
	case "gitlab":
		c.dialect, web = gitlab{project}, web+"/api/v4"
	case "gitea", "forgejo":
		c.dialect, web = gitea{project}, web+"/api/v1"
	case "":
		return nil, fmt.Errorf("forge: %s tells no forge by its name: say which it is (--forge github, gitlab, gitea or forgejo)", host)
	default:
		return nil, fmt.Errorf("forge: %q is none: want github, gitlab, gitea or forgejo", cfg.Kind)
	}
	if c.base == "" {
		c.base = web
	}
	if u, err := url.Parse(c.base); err != nil || u.Scheme != "https" && !loopback(u) || u.User != nil {
		return nil, fmt.Errorf("forge: the API at %q would be sent the token in the clear: want https://", c.base)
	}
	if _, err := c.token(); err != nil {
		return nil, err
	}
	c.http, err = newHTTP(cfg.CAFile)
	return c, err
}

// projectOf is a repository's host, with what its API is asked by, and its path
// without .git: "https://host/owner/name.git", "git@host:owner/name".
func projectOf(repo string) (host, scheme, project string, err error) {
	scheme = "https"
	if at, rest, found := strings.Cut(repo, ":"); found && !strings.Contains(repo, "://") && !strings.Contains(at, "/") {
		repo = "ssh://" + at + "/" + rest
	}
	u, err := url.Parse(repo)
	if err != nil || u.Host == "" {
		return "", "", "", errors.New("forge: the repository is on no forge: its address has no host")
	}
	if host = u.Hostname(); u.Scheme == "http" || u.Scheme == "https" {
		scheme, host = u.Scheme, u.Host
	}
	project = strings.Trim(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"), "/")
	if strings.Count(project, "/") < 1 || strings.Contains(project, "..") {
		return "", "", "", fmt.Errorf("forge: %q is no repository of a forge: want owner/name", project)
	}
	return host, scheme, project, nil
}

// Close ends its connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) token() (string, error) {
	b, err := os.ReadFile(c.cfg.TokenFile)
	if err != nil {
		return "", fmt.Errorf("forge: the token: %w", err)
	}
	t := strings.TrimSpace(string(b))
	if t == "" || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("forge: %s holds no token", c.cfg.TokenFile)
	}
	return t, nil
}

// OpenPulls are the open pull requests to a branch.
func (c *Client) OpenPulls(ctx context.Context, branch string) (all []Request, err error) {
	for page := 1; page <= pages; page++ {
		body, err := c.call(ctx, http.MethodGet, c.pulls(branch, page), nil)
		if err != nil {
			return nil, err
		}
		some, count, err := c.readPulls(body, branch)
		if err != nil {
			return nil, fmt.Errorf("forge: its pull requests cannot be read: %w", err)
		}
		if all = append(all, some...); count == 0 {
			break
		}
	}
	return all, nil
}

// SetStatus sets what is shown beside a commit.
func (c *Client) SetStatus(ctx context.Context, commit string, s CommitStatus) error {
	if r := []rune(s.Text); len(r) > maxText {
		s.Text = string(r[:maxText-1]) + "…"
	}
	path, body := c.status(commit, s)
	_, err := c.call(ctx, http.MethodPost, path, body)
	if a, ok := errors.AsType[*Answered](err); ok && a.Code == http.StatusBadRequest && strings.Contains(a.Text, "Cannot transition") {
		return nil // GitLab refuses to set what is set
	}
	return err
}
