package forge_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bayplan/bayplan/reconciler/forge"
)

// approved are the forges' answers about who approved number 7: ann did, bob took
// his word back, eve may not write, and dan's is about an older commit.
var approved = map[string][]exchange{
	"github": {
		{want: "GET /api/v3/repos/team/ops/pulls/7/reviews?per_page=100&page=1", answer: `[
			{"id": 1, "user": {"login": "bob"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:00:00Z", "author_association": "MEMBER"},
			{"id": 2, "user": {"login": "bob"}, "state": "CHANGES_REQUESTED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:01:00Z"},
			{"id": 3, "user": {"login": "ann"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:02:00Z"},
			{"id": 4, "user": {"login": "ann"}, "state": "COMMENTED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:03:00Z"},
			{"id": 5, "user": {"login": "cid"}, "state": "DISMISSED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:02:00Z"},
			{"id": 6, "user": {"login": "dan"}, "state": "APPROVED", "commit_id": "older", "submitted_at": "2026-05-01T09:00:00Z"},
			{"id": 7, "user": null, "state": "PENDING"}]`},
		{want: "GET /api/v3/repos/team/ops/pulls/7/reviews?per_page=100&page=2", answer: `[
			{"id": 8, "user": {"login": "eve"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:04:00Z", "author_association": "NONE"}]`},
		{want: "GET /api/v3/repos/team/ops/pulls/7/reviews?per_page=100&page=3", answer: "[]"},
		{want: "GET /api/v3/repos/team/ops/collaborators/ann/permission", answer: `{"permission": "write", "role_name": "maintain"}`},
		{want: "GET /api/v3/repos/team/ops/collaborators/dan/permission", answer: `{"permission": "admin"}`},
		{want: "GET /api/v3/repos/team/ops/collaborators/eve/permission", code: http.StatusNotFound, answer: `{"message": "Not Found"}`},
	},
	"gitea": {
		{want: "GET /api/v1/repos/team/ops/pulls/7/reviews?limit=50&page=1", answer: `[
			{"id": 1, "user": {"login": "bob"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:00:00Z", "official": true},
			{"id": 2, "user": {"login": "bob"}, "state": "REQUEST_CHANGES", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:01:00Z", "official": true},
			{"id": 3, "user": {"login": "ann"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:02:00Z", "official": true},
			{"id": 4, "user": {"login": "ann"}, "state": "COMMENT", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:03:00Z", "official": true},
			{"id": 5, "user": {"login": "cid"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:02:00Z", "official": true, "dismissed": true},
			{"id": 6, "user": {"login": "dan"}, "state": "APPROVED", "commit_id": "older", "submitted_at": "2026-05-01T09:00:00Z", "official": true, "stale": true},
			{"id": 7, "user": {"login": "eve"}, "state": "APPROVED", "commit_id": "` + head + `", "submitted_at": "2026-05-01T10:04:00Z", "official": false}]`},
		{want: "GET /api/v1/repos/team/ops/pulls/7/reviews?limit=50&page=2", answer: "[]"},
	},
	"gitlab": {
		{want: "GET /api/v4/projects/team%2Fops/merge_requests/7/approvals", answer: `{"id": 900, "iid": 7, "approved": true, "approved_by": [
			{"user": {"id": 1, "username": "ann"}, "approved_at": "2026-05-01T10:02:00.000Z"}, {"user": {"id": 2, "username": "dan"}}, {"user": {"id": 3, "username": "fay"}}]}`},
		// An older GitLab tells when somebody approved by a note alone.
		{want: "GET /api/v4/projects/team%2Fops/merge_requests/7/notes?sort=asc&per_page=100&page=1", answer: `[
			{"id": 41, "body": "approved this merge request", "system": true, "author": {"username": "dan"}, "created_at": "2026-05-01T08:00:00Z"},
			{"id": 42, "body": "approved this merge request", "system": true, "author": {"username": "dan"}, "created_at": "2026-05-01T09:00:00Z"},
			{"id": 43, "body": "approved this merge request", "system": false, "author": {"username": "dan"}, "created_at": "2026-05-01T10:30:00Z"}]`},
		{want: "GET /api/v4/projects/team%2Fops/merge_requests/7/notes?sort=asc&per_page=100&page=2", answer: "[]"},
		{want: "GET /api/v4/projects/team%2Fops/merge_requests/7/notes?sort=asc&per_page=100&page=1", answer: "[]"},
	},
}

// TestClient_Approvals are those in force, of people who may write, with what they
// are about as far as the forge tells.
func TestClient_Approvals(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 5, 1, hour, minute, 0, 0, time.UTC) }
	for kind, all := range approved {
		t.Run(kind, func(t *testing.T) {
			want := []forge.Approval{{By: "ann", At: at(10, 2), Commit: head}, {By: "dan", At: at(9, 0), Commit: "older"}}
			if kind == "gitlab" {
				want[0].Commit, want[1].Commit = "", ""
			}
			got, err := serveContract(t, dialects[kind].headers, all...).client(kind, "").Approvals(t.Context(), 7)
			if err != nil || !slices.EqualFunc(got, want, func(a, b forge.Approval) bool { return a.By == b.By && a.Commit == b.Commit && a.At.Equal(b.At) }) {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// TestClient_Merged by each forge's word for it; what is gone is not.
func TestClient_Merged(t *testing.T) {
	for kind, c := range map[string]struct{ want, merged, closed string }{
		"github": {"GET /api/v3/repos/team/ops/pulls/7", `{"state": "closed", "merged": true}`, `{"state": "closed", "merged": false}`},
		"gitea":  {"GET /api/v1/repos/team/ops/pulls/7", `{"state": "closed", "merged": true}`, `{"state": "closed", "merged": false}`},
		"gitlab": {"GET /api/v4/projects/team%2Fops/merge_requests/7", `{"iid": 7, "state": "merged"}`, `{"iid": 7, "state": "closed"}`},
	} {
		f := serveContract(t, nil, exchange{want: c.want, answer: c.merged}, exchange{want: c.want, answer: c.closed},
			exchange{want: c.want, code: http.StatusNotFound}, exchange{want: c.want, code: http.StatusBadGateway}).client(kind, "")
		for i, want := range []bool{true, false, false} {
			if is, err := f.Merged(t.Context(), 7); err != nil || is != want {
				t.Errorf("%s, answer %d: %v, %v", kind, i, is, err)
			}
		}
		if _, err := f.Merged(t.Context(), 7); err == nil {
			t.Errorf("%s: a forge in trouble tells that it is not merged", kind)
		}
	}
}
