package forge

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// review is one person's word about a pull request.
type review struct {
	by     string
	at     time.Time
	commit string
	// word is what became of it.
	word word
}

// word is what a review says.
type word int

// The words of a review: nothing about merging, that it may be merged, that it may
// not (or no more).
const (
	remark word = iota
	yes
	no
)

// words are the forges' names.
var words = map[string]word{"APPROVED": yes, "CHANGES_REQUESTED": no, "REQUEST_CHANGES": no, "DISMISSED": no}

func (g github) pull(number int) string { return fmt.Sprintf("/repos/%s/pulls/%d", g.project, number) }

func (github) readMerged(body []byte) (bool, error) {
	var p pullRequest
	err := json.Unmarshal(body, &p)
	return p.Merged, err
}

func (g github) reviews(number, page int) string {
	return fmt.Sprintf("/repos/%s/pulls/%d/reviews?per_page=%d&page=%d", g.project, number, perPage, page)
}

// pullReview is a review of GitHub and of Gitea; those behind Submitted are
// Gitea's alone.
type pullReview struct {
	User      person    `json:"user"`
	State     string    `json:"state"`
	Commit    string    `json:"commit_id"`
	Submitted time.Time `json:"submitted_at"`
	// Official is whether it is of someone who may write.
	Official  bool `json:"official"`
	Dismissed bool `json:"dismissed"`
}

func (p *pullReview) review() review {
	r := review{p.User.Login, p.Submitted, p.Commit, words[p.State]}
	if p.Dismissed {
		r.word = no
	}
	return r
}

func (github) readReviews(body []byte) (all []review, count int, err error) {
	var list []pullReview
	err = json.Unmarshal(body, &list)
	for i := range list {
		all = append(all, list[i].review())
	}
	return all, len(list), err
}

func (g github) permission(person string) string {
	return fmt.Sprintf("/repos/%s/collaborators/%s/permission", g.project, url.PathEscape(person))
}

// mayWrite reads what a person may do with a repository of GitHub's.
func mayWrite(body []byte) (bool, error) {
	var p struct {
		Permission string `json:"permission"`
	}
	err := json.Unmarshal(body, &p)
	return p.Permission == "write" || p.Permission == "admin", err
}

func (g gitea) pull(number int) string               { return github(g).pull(number) }
func (g gitea) readMerged(body []byte) (bool, error) { return github(g).readMerged(body) }
func (gitea) permission(string) string               { return "" }

func (g gitea) reviews(number, page int) string {
	return fmt.Sprintf("/repos/%s/pulls/%d/reviews?limit=%d&page=%d", g.project, number, giteaPage, page)
}

func (gitea) readReviews(body []byte) (all []review, count int, err error) {
	var list []pullReview
	err = json.Unmarshal(body, &list)
	for i := range list {
		if list[i].Official {
			all = append(all, list[i].review())
		}
	}
	return all, len(list), err
}

func (g gitlab) pull(number int) string { return fmt.Sprintf("%s/merge_requests/%d", g.root(), number) }

func (gitlab) readMerged(body []byte) (bool, error) {
	var m struct {
		State string `json:"state"`
	}
	err := json.Unmarshal(body, &m)
	return m.State == "merged", err
}

func (gitlab) permission(string) string { return "" }

// reviews are GitLab's approvals, which have no pages: those in force, of people who
// may give them, without the commit that they are about.
func (g gitlab) reviews(number, _ int) string {
	return fmt.Sprintf("%s/merge_requests/%d/approvals", g.root(), number)
}

func (gitlab) readReviews(body []byte) (all []review, count int, err error) {
	var a struct {
		By []struct {
			User struct {
				Username string `json:"username"`
			} `json:"user"`
			At time.Time `json:"approved_at"`
		} `json:"approved_by"`
	}
	err = json.Unmarshal(body, &a)
	for _, x := range a.By {
		all = append(all, review{by: x.User.Username, at: x.At, word: yes})
	}
	return all, 0, err
}
