// Package forge speaks with the hosts of Git repositories: GitHub, GitLab, Gitea
// and Forgejo.
//
// It hears their webhooks ([Hook]). What they say is not trusted: a webhook whose
// secret is right causes a look at the repository, and nothing else; the look finds
// what there is to find. Looks go on without webhooks, so that a lost one costs
// seconds.
//
// It plans their open pull requests ([Review]): whenever one, or the branch, has
// moved, what it would change is told as a commit's status and in one comment that
// is written over. Who approves a pull request approves the plan that stands there,
// which is then recorded; a commit is held against what was recorded by
// reconciler/loop. What became of merged commits is told likewise. Plans are made
// one at a time, a bounded number in one look, and nothing waits for them. [Client]
// makes the few calls of the forges' documented HTTP APIs that this needs; what
// others wrote stands in a comment where it is no markup.
package forge
