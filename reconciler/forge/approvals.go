package forge

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Approvals are those that are in force, of people who may write to the repository,
// by the names of who gave them.
func (c *Client) Approvals(ctx context.Context, number int) (all []Approval, err error) {
	newest, err := c.reviewsOf(ctx, number)
	if err != nil {
		return nil, err
	}
	for _, by := range slices.Sorted(maps.Keys(newest)) {
		r := newest[by]
		if r.word != yes || r.by == "" {
			continue
		}
		may, err := c.mayWrite(ctx, r.by)
		if err != nil {
			return nil, err
		}
		if r.at.IsZero() {
			if r.at, err = c.approvedAt(ctx, number, r.by); err != nil {
				return nil, err
			}
		}
		if may && !r.at.IsZero() {
			all = append(all, Approval{By: r.by, At: r.at, Commit: r.commit})
		}
	}
	return all, nil
}

// reviewsOf are each person's newest that says anything about merging.
func (c *Client) reviewsOf(ctx context.Context, number int) (newest map[string]review, err error) {
	newest = map[string]review{}
	for page := 1; page <= pages; page++ {
		body, err := c.call(ctx, http.MethodGet, c.reviews(number, page), nil)
		if err != nil {
			return nil, err
		}
		some, count, err := c.readReviews(body)
		if err != nil {
			return nil, fmt.Errorf("forge: the reviews of %d cannot be read: %w", number, err)
		}
		for _, r := range some {
			if r.word != remark {
				newest[r.by] = r
			}
		}
		if count == 0 {
			break
		}
	}
	return newest, nil
}

// mayWrite is whether a person may write to the repository. One that the forge
// does not know may not.
func (c *Client) mayWrite(ctx context.Context, person string) (bool, error) {
	path := c.permission(person)
	if path == "" {
		return true, nil
	}
	body, err := c.call(ctx, http.MethodGet, path, nil)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return mayWrite(body)
}

// Merged is whether a pull request is merged.
func (c *Client) Merged(ctx context.Context, number int) (bool, error) {
	body, err := c.call(ctx, http.MethodGet, c.pull(number), nil)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	merged, err := c.readMerged(body)
	if err != nil {
		return false, fmt.Errorf("forge: number %d cannot be read: %w", number, err)
	}
	return merged, nil
}
