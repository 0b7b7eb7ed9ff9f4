package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

const (
	// askTimeout is for connecting and reading the refs: seconds at worst.
	askTimeout = 30 * time.Second
	// maxHaves is how many commits of ours a fetch names, so that a rewritten
	// branch still finds what both sides have.
	maxHaves = 64
)

// session speaks the upload-pack protocol over one connection.
type session interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	Close() error
}

// network is a remote that is fetched from.
type network struct {
	cfg Config
	// dial opens a session; ctx bounds all of its life.
	dial func(ctx context.Context) (session, error)
	// tell turns an error of the protocol into a fault, where it can.
	tell func(error) error
	done func()
}

func (n *network) listen(func()) (func() error, error) { return func() error { return nil }, nil }

// complete finds nothing to do but to build the mirror anew: a fetch has left out
// nothing.
func (n *network) complete(_ context.Context, m *mirror, _ plumbing.Hash) error {
	return brokenMirror(m, n.cfg.URL)
}

func (n *network) close() error {
	if n.done != nil {
		n.done()
	}
	return nil
}

func (n *network) ask(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	end := func() { cancel(nil) }
	late := time.AfterFunc(askTimeout, func() { cancel(context.DeadlineExceeded) })
	s, refs, err := n.refs(ctx)
	late.Stop()
	if err != nil {
		err = errors.Join(err, context.Cause(ctx))
		end()
		return nil, err
	}
	if head, ok := refs.References[branchRef(n.cfg.Branch).String()]; ok {
		return &fetch{n, s, refs, head, end}, nil
	}
	defer end()
	return nil, errors.Join(missingBranch(n.cfg), s.Close())
}

func (n *network) refs(ctx context.Context) (session, *packp.AdvRefs, error) {
	s, err := n.dial(ctx)
	if err != nil {
		return nil, nil, n.tell(err)
	}
	refs, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		_ = s.Close()
		return nil, nil, n.tell(err)
	}
	return s, refs, nil
}

// tellCommon names the faults that all transports share.
func tellCommon(cfg Config, err error) error {
	switch {
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return missingBranch(cfg)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return &fault{CodeRepositoryMissing, "there is no repository at " + cfg.URL + ", or none that we may see", "git ls-remote " + cfg.URL, nil}
	case errors.Is(err, errTooLarge):
		return &fault{CodeTooLarge, cfg.URL + " sends more than is taken from one repository", "git clone --bare " + cfg.URL, err}
	}
	return err
}

// fetch is the conversation after the refs are known.
type fetch struct {
	n    *network
	s    session
	refs *packp.AdvRefs
	tip  plumbing.Hash
	end  func()
}

func (f *fetch) head() plumbing.Hash { return f.tip }

func (f *fetch) close() error {
	err := f.s.Close()
	f.end()
	return err
}

func (f *fetch) bring(ctx context.Context, m *mirror, haves []plumbing.Hash) error {
	ctx, cancel := context.WithTimeout(ctx, f.n.cfg.FetchTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, f.end)()
	req := f.request(m, haves)
	res, err := f.s.UploadPack(ctx, req)
	if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
		return nil
	}
	if err != nil {
		return f.tell(ctx, err)
	}
	defer res.Close()
	return f.tell(ctx, m.addPack(ctx, packOf(req, res), f.n.cfg.packLimits()))
}

// tell says why a fetch broke off: time, the line, or damage at the source.
func (f *fetch) tell(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("fetching: %w: %w", ctx.Err(), err)
	}
	if errors.Is(err, errDamaged) {
		return corruptAt(f.n.cfg.URL, err)
	}
	return f.n.tell(err)
}

// request asks for the tip, and names what we have along its former line.
func (f *fetch) request(m *mirror, haves []plumbing.Hash) *packp.UploadPackRequest {
	req := packp.NewUploadPackRequestFromCapabilities(f.refs.Capabilities)
	if f.refs.Capabilities.Supports(capability.NoProgress) {
		_ = req.Capabilities.Set(capability.NoProgress) // takes no argument, cannot be refused
	}
	req.Wants = []plumbing.Hash{f.tip}
	req.Haves = m.line(haves)
	return req
}

// line is the first-parent history from each start, as far as it is here.
func (m *mirror) line(starts []plumbing.Hash) []plumbing.Hash {
	var out []plumbing.Hash
	for _, h := range starts {
		for range maxHaves {
			c, err := m.commit(h)
			if err != nil {
				break
			}
			out = append(out, h)
			if len(c.ParentHashes) == 0 {
				break
			}
			h = c.ParentHashes[0]
		}
	}
	return out
}

// packOf takes the pack out of the answer, which may carry messages beside it.
func packOf(req *packp.UploadPackRequest, res io.Reader) io.Reader {
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		return &packReader{sideband.NewDemuxer(sideband.Sideband64k, res)}
	case req.Capabilities.Supports(capability.Sideband):
		return &packReader{sideband.NewDemuxer(sideband.Sideband, res)}
	}
	return res
}

// packReader tells the server's own word that it cannot go on, which it says
// where its objects are damaged, from a line that breaks.
type packReader struct{ r io.Reader }

func (p *packReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && strings.HasPrefix(err.Error(), "unexpected error: ") {
		err = damaged(fmt.Errorf("the server says: %s", strings.TrimPrefix(err.Error(), "unexpected error: ")))
	}
	return n, err
}

// capped fails a stream that grows beyond its limit.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooLarge
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}
