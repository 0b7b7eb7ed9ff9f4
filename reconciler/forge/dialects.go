package forge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// github is GitHub's API, of docs.github.com/rest, version 2022-11-28.
type github struct{ project string }

func (github) header(token string) (string, string) { return "Authorization", "Bearer " + token }
func (github) accept() string                       { return "application/vnd.github+json" }

func (g github) pulls(branch string, page int) string {
	return fmt.Sprintf("/repos/%s/pulls?state=open&base=%s&per_page=%d&page=%d", g.project, url.QueryEscape(branch), perPage, page)
}

// pullRequest is a pull request of GitHub and of Gitea.
type pullRequest struct {
	Number int `json:"number"`
	Head   struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Base struct {
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
			all = append(all, Request{p.Number, p.Head.SHA})
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
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, 0, err
	}
	for _, m := range list {
		if m.Target == branch {
			all = append(all, Request{m.IID, m.SHA})
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
