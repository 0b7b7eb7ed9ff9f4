package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// note is a comment as all forges tell of it; what stands behind Updated is
// GitLab's alone.
type note struct {
	ID      int64     `json:"id"`
	Body    string    `json:"body"`
	Updated time.Time `json:"updated_at"`
	Created time.Time `json:"created_at"`
	// System is whether it tells what somebody did.
	System bool `json:"system"`
	Author struct {
		Username string `json:"username"`
	} `json:"author"`
}

// Comment writes a pull request's comment that begins with marker: over the one
// that is there, and else a new one. text begins with the marker. written is when
// it was last changed, by the forge's clock.
func (c *Client) Comment(ctx context.Context, number int, marker, text string) (written time.Time, err error) {
	was, err := c.find(ctx, number, func(n *note) bool { return strings.HasPrefix(n.Body, marker) })
	if err != nil {
		return written, err
	}
	if was != nil && was.Body == text {
		return was.Updated, nil
	}
	if was != nil {
		method, path := c.edit(number, was.ID)
		written, err := c.write(ctx, method, path, text)
		if !isRefused(err) {
			return written, err
		}
		// Somebody else wrote one that begins as ours do.
	}
	return c.write(ctx, http.MethodPost, c.comment(number), text)
}

func (c *Client) write(ctx context.Context, method, path, text string) (written time.Time, err error) {
	body, err := c.call(ctx, method, path, map[string]string{"body": text})
	if err != nil {
		return written, err
	}
	var n note
	if err := json.Unmarshal(body, &n); err != nil {
		return written, fmt.Errorf("forge: its answer to a comment cannot be read: %w", err)
	}
	return n.Updated, nil
}

// find is the first comment that is asked for; nil where there is none.
func (c *Client) find(ctx context.Context, number int, is func(*note) bool) (*note, error) {
	seen := int64(0)
	for page := 1; page <= pages; page++ {
		body, err := c.call(ctx, http.MethodGet, c.comments(number, page), nil)
		if err != nil {
			return nil, err
		}
		var all []note
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, fmt.Errorf("forge: the comments of %d cannot be read: %w", number, err)
		}
		for i := range all {
			if is(&all[i]) {
				return &all[i], nil
			}
		}
		if len(all) == 0 || all[0].ID == seen { // a forge without pages gives the first again
			break
		}
		seen = all[0].ID
	}
	return nil, nil
}

// approvedNote is how GitLab tells that somebody approved. The list of approvals of
// its older versions has no times.
const approvedNote = "approved this merge request"

// approvedAt is when a person last approved a merge request of GitLab's; zero
// where nothing tells.
func (c *Client) approvedAt(ctx context.Context, number int, person string) (at time.Time, err error) {
	_, err = c.find(ctx, number, func(n *note) bool {
		if n.System && n.Body == approvedNote && n.Author.Username == person && n.Created.After(at) {
			at = n.Created
		}
		return false
	})
	return at, err
}
