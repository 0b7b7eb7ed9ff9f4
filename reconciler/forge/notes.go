package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// note is a comment as all forges tell of it.
type note struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
}

// Comment writes a pull request's comment that begins with marker: over the one
// that is there, and else a new one. text begins with the marker.
func (c *Client) Comment(ctx context.Context, number int, marker, text string) error {
	was, err := c.find(ctx, number, marker)
	if err != nil || was != nil && was.Body == text {
		return err
	}
	body := map[string]string{"body": text}
	if was != nil {
		method, path := c.edit(number, was.ID)
		_, err := c.call(ctx, method, path, body)
		if !isRefused(err) {
			return err
		}
		// Somebody else wrote one that begins as ours do.
	}
	_, err = c.call(ctx, http.MethodPost, c.comment(number), body)
	return err
}

func (c *Client) find(ctx context.Context, number int, marker string) (*note, error) {
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
			if strings.HasPrefix(all[i].Body, marker) {
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
