package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bayplan/bayplan/schema"
)

const (
	// attempts of one download: enough for a server that restarts; what is down
	// for longer is the agent's to retry.
	attempts = 4
	// firstPause doubles from one attempt to the next.
	firstPause = 250 * time.Millisecond
	// stallsBorne: one that hangs twice hangs.
	stallsBorne = 2
	// nearer is how much a broken attempt must have brought to earn another.
	nearer = 1 << 20
)

// fetch is the archive as a file, verified, from its first byte.
func (s *Store) fetch(ctx context.Context, a *schema.Artifact) (*os.File, error) {
	d, err := openDownload(s.path("partial", a.SHA256), a.SHA256, s.cfg.Limits.Packed, s.checkRoom)
	if err != nil {
		return nil, err
	}
	if !d.right() {
		err = s.download(ctx, a, d)
	}
	if err == nil {
		_, err = d.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		d.file.Close()
		return nil, err
	}
	return d.file, nil
}

// download tries until it is all there, while trying again may help.
func (s *Store) download(ctx context.Context, a *schema.Artifact, d *download) error {
	stalls := 0
	for try := 1; ; try++ {
		before := d.size
		err := s.receive(ctx, a, d)
		if err == nil {
			err = d.verify()
		}
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		s.cfg.Log.Debug("fetch", "url", a.URL, "try", try, "have", d.size, "err", err)
		_, stalled := errors.AsType[*stallError](err)
		switch {
		case stalled:
			stalls++
		case d.size-before >= nearer:
			try = 1
		}
		if final(err) || try >= attempts || stalls >= stallsBorne {
			return err
		}
		if err := wait(ctx, s.pause<<(try-1)); err != nil {
			return err
		}
	}
}

// wait is never the same for two nodes.
func wait(ctx context.Context, about time.Duration) error {
	t := time.NewTimer(about/2 + rand.N(about))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// receive goes on from where the download is to its end.
func (s *Store) receive(ctx context.Context, a *schema.Artifact, d *download) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return wrong("%v", err)
	}
	if d.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.size))
	}
	resp, err := s.to(req.URL.Host).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := d.begin(resp); err != nil {
		return err
	}
	s.expect(a, d, resp)
	in, stop := watch(resp.Body, s.cfg.Stall, cancel)
	_, err = io.Copy(d, in)
	stop()
	if stall, ok := errors.AsType[*stallError](context.Cause(ctx)); ok && err != nil {
		return stall
	}
	return err
}

// expect notes how large the archive will be, if its server says so.
func (s *Store) expect(a *schema.Artifact, d *download, resp *http.Response) {
	total := int64(0)
	if resp.ContentLength >= 0 {
		total = d.size + resp.ContentLength
	}
	s.expected.Store(a.SHA256, total)
}

// Fetched is how many bytes of an archive have come, and of how many (zero is not
// known), while it is being fetched.
func (s *Store) Fetched(a schema.Artifact) (done, total int64, ok bool) {
	expected, ok := s.expected.Load(a.SHA256)
	if !ok || check(&a) != nil {
		return 0, 0, false
	}
	info, err := os.Stat(s.path("partial", a.SHA256))
	if err != nil {
		return 0, 0, false
	}
	return info.Size(), expected.(int64), true
}

// download is an archive on its way into a file that outlives the process.
type download struct {
	file *os.File
	want string
	most int64
	room func(int64) error
	sum  hash.Hash
	size int64 // bytes in file, all of them in sum
	// pieced says that they came in more than one piece.
	pieced bool
	// checked is the size at the last look at the disk.
	checked int64
}

// openDownload takes up what an earlier attempt left.
func openDownload(path, want string, most int64, room func(int64) error) (*download, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, local(err)
	}
	d := &download{file: f, want: want, most: most, room: room, sum: sha256.New()}
	if d.size, err = io.Copy(d.sum, f); err != nil {
		f.Close()
		return nil, local(err)
	}
	d.pieced = d.size > 0
	return d, nil
}

// begin prepares for the body of an answer.
func (d *download) begin(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errSpoiled, d.restart())
	default:
		return &statusError{resp.StatusCode}
	}
	if d.pieced = d.size > 0; d.pieced && !goesOn(resp, d.size) {
		if err := d.restart(); err != nil {
			return err
		}
	}
	if resp.StatusCode == http.StatusPartialContent && !d.pieced {
		return wrong("it answers with a part that was not asked for")
	}
	if total := d.size + max(resp.ContentLength, 0); total > d.most {
		return d.tooLarge()
	}
	return d.room(max(resp.ContentLength, 0))
}

// goesOn is whether the answer begins at that byte.
func goesOn(resp *http.Response, at int64) bool {
	from, _, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(from, 10, 64)
	return resp.StatusCode == http.StatusPartialContent && err == nil && n == at
}

func (d *download) tooLarge() error {
	return errors.Join(wrong("it is larger than the %d MiB that an archive may have", d.most>>20), d.restart())
}

// roomEvery is how much may be written between two looks at the disk.
const roomEvery = 16 << 20

// Write is for io.Copy.
func (d *download) Write(p []byte) (int, error) {
	if d.size+int64(len(p)) > d.most {
		return 0, d.tooLarge()
	}
	if d.size-d.checked >= roomEvery {
		d.checked = d.size
		if err := d.room(0); err != nil {
			return 0, err
		}
	}
	n, err := d.file.Write(p)
	d.sum.Write(p[:n])
	d.size += int64(n)
	return n, local(err)
}

// restart forgets all that was fetched.
func (d *download) restart() error {
	d.size, d.checked, d.pieced = 0, 0, false
	d.sum.Reset()
	_, err := d.file.Seek(0, io.SeekStart)
	return local(errors.Join(err, d.file.Truncate(0)))
}

func (d *download) right() bool { return hex.EncodeToString(d.sum.Sum(nil)) == d.want }

var errSpoiled = errors.New("its pieces do not fit together")

// verify empties what is not what its sha256 says. Whoever sent all of it is to
// blame; a pieced one is worth another attempt.
func (d *download) verify() error {
	if d.right() {
		return nil
	}
	err := wrong("it is not what its sha256 says: its %d bytes have the sha256 %x", d.size, d.sum.Sum(nil))
	if d.pieced {
		err = errSpoiled
	}
	return errors.Join(err, d.restart())
}
