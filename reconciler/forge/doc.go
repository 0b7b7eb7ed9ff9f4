// Package forge speaks with the hosts of Git repositories: GitHub, GitLab, Gitea
// and Forgejo.
//
// It hears their webhooks ([Hook]). What they say is not trusted: a webhook whose
// secret is right causes a look at the repository, and nothing else; the look finds
// what there is to find. Looks go on without webhooks, so that a lost one costs
// seconds.
package forge
