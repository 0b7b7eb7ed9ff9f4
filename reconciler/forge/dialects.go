package forge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// dialect is what the forges' APIs do not share. Paths are below the API's base.
type dialect interface {
	// header names the token's header and its value.
	header(token string) (name, value string)
	// accept is the media type to ask for.
	accept() string
	// pulls lists a page of the open pull requests to a branch, counted from 1.
	pulls(branch string, page int) string
	// readPulls reads such a page; count is how many were on it.
	readPulls(body []byte, branch string) (all []Request, count int, err error)
	// pull is one pull request, and readMerged whether it says to be merged.
	pull(number int) string
	readMerged(body []byte) (bool, error)
	// status is a commit's, and what to send there.
	status(commit string, s CommitStatus) (path string, body any)
	// comments lists a page of a pull request's comments, comment is where to add
	// one, and edit where and how to change one.
	comments(number, page int) string
	comment(number int) string
	edit(number int, id int64) (method, path string)
	// reviews lists a page of a pull request's reviews, oldest first.
	reviews(number, page int) string
	readReviews(body []byte) (all []review, count int, err error)
	// permission is where to ask whether a person may write to the repository; ""
	// where reviews of others are not listed.
	permission(person string) string
}

// github is GitHub's API, of docs.github.com/rest, version 2022-11-28.
type github struct{ project string }

func (github) header(token string) (string, string) { return "Authorization", "Bearer " + token }
func (github) accept() string                       { return "application/vnd.github+json" }

func (g github) pulls(branch string, page int) string {
	return fmt.Sprintf("/repos/%s/pulls?state=open&base=%s&per_page=%d&page=%d", g.project, url.QueryEscape(branch), perPage, page)
}

// person is how GitHub and Gitea name one.
type person struct {
	Login string `json:"login"`
}

// pullRequest is a pull request of GitHub and of Gitea.
type pullRequest struct {
	Number int  `json:"number"`
	Merged bool `json:"merged"`
	Head   struct {
		SHA string `json:"sha"`
	} `json:"head"`
	User    person    `json:"user"`
	Updated time.Time `json:"updated_at"`
	Base    struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

func (github) readPulls(body []byte, branch string) ([]Request, int, error) {
	return readRequests(body, branch)
}

func readRequests(body []byte, branch string) (all []Request, count int, err error) {
	var list []pullRequest
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, 0, err
	}
	for _, p := range list {
		if p.Base.Ref == branch {
			all = append(all, Request{p.Number, p.Head.SHA, p.User.Login, p.Updated})
		}
	}
	return all, len(list), nil
}

func (g github) status(commit string, s CommitStatus) (string, any) {
	return fmt.Sprintf("/repos/%s/statuses/%s", g.project, commit), map[string]string{"state": string(s.State), "context": s.Context, "description": s.Text}
}

func (g github) comments(number, page int) string {
	return fmt.Sprintf("/repos/%s/issues/%d/comments?per_page=%d&page=%d", g.project, number, perPage, page)
}

func (g github) comment(number int) string {
	return fmt.Sprintf("/repos/%s/issues/%d/comments", g.project, number)
}

func (g github) edit(_ int, id int64) (string, string) {
	return http.MethodPatch, fmt.Sprintf("/repos/%s/issues/comments/%d", g.project, id)
}

// gitea is Gitea's API, and Forgejo's, of their /api/swagger.
type gitea struct{ project string }

func (gitea) header(token string) (string, string) { return "Authorization", "token " + token }
func (gitea) accept() string                       { return "application/json" }

// giteaPage is what a server gives at most unless its operator allows more.
const giteaPage = 50

func (g gitea) pulls(_ string, page int) string {
	return fmt.Sprintf("/repos/%s/pulls?state=open&limit=%d&page=%d", g.project, giteaPage, page)
}

func (gitea) readPulls(body []byte, branch string) ([]Request, int, error) {
	return readRequests(body, branch)
}

func (g gitea) status(commit string, s CommitStatus) (string, any) {
	return github(g).status(commit, s)
}

func (g gitea) comments(number, page int) string {
	return fmt.Sprintf("/repos/%s/issues/%d/comments?limit=%d&page=%d", g.project, number, giteaPage, page)
}
func (g gitea) comment(number int) string             { return github(g).comment(number) }
func (g gitea) edit(n int, id int64) (string, string) { return github(g).edit(n, id) }

// gitlab is GitLab's API, of docs.gitlab.com/api, version 4.
type gitlab struct{ project string }

func (gitlab) header(token string) (string, string) { return "PRIVATE-TOKEN", token }
func (gitlab) accept() string                       { return "application/json" }

func (g gitlab) root() string { return "/projects/" + url.PathEscape(g.project) }

func (g gitlab) pulls(branch string, page int) string {
	return fmt.Sprintf("%s/merge_requests?state=opened&target_branch=%s&per_page=%d&page=%d", g.root(), url.QueryEscape(branch), perPage, page)
}

func (gitlab) readPulls(body []byte, branch string) (all []Request, count int, err error) {
	var list []struct {
		IID    int    `json:"iid"`
		SHA    string `json:"sha"`
		Target string `json:"target_branch"`
		Author struct {
			Username string `json:"username"`
		} `json:"author"`
		Updated time.Time `json:"updated_at"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, 0, err
	}
	for _, m := range list {
		if m.Target == branch {
			all = append(all, Request{m.IID, m.SHA, m.Author.Username, m.Updated})
		}
	}
	return all, len(list), nil
}

// gitlabStates are GitLab's names; it has one for both that are not well.
var gitlabStates = map[State]string{Pending: "pending", Success: "success", Failure: "failed", Error: "failed"}

func (g gitlab) status(commit string, s CommitStatus) (string, any) {
	return g.root() + "/statuses/" + commit, map[string]string{"state": gitlabStates[s.State], "name": s.Context, "description": s.Text}
}

func (g gitlab) comments(number, page int) string {
	return fmt.Sprintf("%s/merge_requests/%d/notes?sort=asc&per_page=%d&page=%d", g.root(), number, perPage, page)
}

func (g gitlab) comment(number int) string {
	return fmt.Sprintf("%s/merge_requests/%d/notes", g.root(), number)
}

func (g gitlab) edit(number int, id int64) (string, string) {
	return http.MethodPut, fmt.Sprintf("%s/merge_requests/%d/notes/%d", g.root(), number, id)
}
