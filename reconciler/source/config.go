package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Config says what to watch and how. URL and Dir are required.
type Config struct {
	// URL is the remote: a path or file:// URL of a repository on this machine,
	// https://, http://, ssh:// or user@host:path. It may hold a user, never a
	// password.
	URL string
	// Branch is the branch that is tracked; "main" if empty.
	Branch string
	// Root is the folder of the repository that Tips show, "/"-separated;
	// empty is all of it.
	Root string
	// Dir is where the mirror is kept; it is made, and one process at a time
	// may use it.
	Dir string

	// Backend is what speaks to the remote: BackendGo (if empty) or BackendExec.
	Backend string
	// Poll is the longest time between two looks while nothing is heard; 15 s if
	// zero. They are up to a fifth closer, so that servers do not look together.
	Poll time.Duration
	// FetchTimeout bounds one whole fetch by the wall clock; 10 min if zero.
	FetchTimeout time.Duration
	// MaxFile is the most bytes a file may have to be read; 1 MiB if zero.
	MaxFile int64
	// MaxFetch is the most bytes that one answer of a remote may have; 2 GiB
	// if zero.
	MaxFetch int64
	// MaxObjects is the most objects that one answer may have, 2 million if zero;
	// MaxObject the most bytes of one of them, 64 MiB if zero; MaxInflated the most
	// of all together, unpacked, 8 GiB if zero.
	MaxObjects             int
	MaxObject, MaxInflated int64
	// MaxFiles is the most files that the root folder may have with all below it;
	// 50,000 if zero.
	MaxFiles int

	// UserFile and TokenFile hold the user and the token (or password) for
	// http; both are read again for each look, so that they can be rotated. A
	// token without a user is sent as user "x-access-token".
	UserFile, TokenFile string
	// App reads by the token of a GitHub App's installation instead.
	App App
	// CAFile holds more certificates to trust for https, PEM.
	CAFile string
	// KeyFile is the private key for ssh, without passphrase.
	KeyFile string
	// AgentSocket is where an ssh agent listens, whose keys are offered if there is
	// no KeyFile; $SSH_AUTH_SOCK if empty.
	AgentSocket string
	// KnownHostsFile lists the ssh hosts to trust; ~/.ssh/known_hosts if empty.
	KnownHostsFile string

	// Verify says which commits must be signed: VerifyOff (if empty), VerifyTip or
	// VerifyRange; Signers says by whom.
	Verify  string
	Signers Signers

	// Log is told of fetches, rebuilt mirrors and troubles; may be nil.
	Log *slog.Logger
}

// complete fills in the defaults and rejects what cannot be meant.
func complete(cfg Config) (Config, error) {
	cfg.Branch = cmp.Or(cfg.Branch, "main")
	cfg.Poll = cmp.Or(cfg.Poll, 15*time.Second)
	cfg.FetchTimeout = cmp.Or(cfg.FetchTimeout, 10*time.Minute)
	cfg.MaxFile = cmp.Or(cfg.MaxFile, 1<<20)
	cfg.MaxFetch = cmp.Or(cfg.MaxFetch, 2<<30)
	cfg.MaxObjects = cmp.Or(cfg.MaxObjects, 2_000_000)
	cfg.MaxObject = cmp.Or(cfg.MaxObject, 64<<20)
	cfg.MaxInflated = cmp.Or(cfg.MaxInflated, 8<<30)
	cfg.MaxFiles = cmp.Or(cfg.MaxFiles, 50_000)
	cfg.Backend = cmp.Or(cfg.Backend, BackendGo)
	cfg.Verify = cmp.Or(cfg.Verify, VerifyOff)
	cfg.AgentSocket = cmp.Or(cfg.AgentSocket, os.Getenv("SSH_AUTH_SOCK"))
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dir == "" {
		return cfg, errors.New("git source: no folder given for the mirror")
	}
	if err := branchRef(cfg.Branch).Validate(); err != nil {
		return cfg, fmt.Errorf("git source: %q is no branch name: %w", cfg.Branch, err)
	}
	root := path.Clean(cmp.Or(cfg.Root, "."))
	if !fs.ValidPath(root) {
		return cfg, fmt.Errorf("git source: the root folder %q must be a path below the top of the repository", cfg.Root)
	}
	cfg.Root = root
	return cfg, errors.Join(cfg.checkVerify(), cfg.App.check(&cfg))
}

func branchRef(name string) plumbing.ReferenceName { return plumbing.NewBranchReferenceName(name) }
