package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/reconciler/source"
)

// beside is another repository that the site's server follows.
func (s *site) beside(cfg *server.Config, name string) *site {
	s.t.Helper()
	other := &site{t: s.t, repo: filepath.Join(s.t.TempDir(), name)}
	other.git("init", "-q", "-b", "main", other.repo)
	other.commit("cats/tom.yaml", "workloads: {}\n")
	cfg.Others = append(cfg.Others, server.Repo{Name: name, Source: source.Config{URL: other.repo, Branch: "main"}})
	return other
}

// wants runs a verb and wants its code and words in what it says.
func (s *site) wants(code exit.Code, words []string, args ...string) {
	s.t.Helper()
	got, out, talk := s.bayplan(args...)
	if got != code {
		s.t.Fatalf("%v: code %d, want %d: %s%s", args, got, code, out, talk)
	}
	for _, w := range words {
		if no, not := strings.CutPrefix(w, "!"); strings.Contains(out+talk, no) == not {
			s.t.Errorf("%v: want %q in\n%s%s", args, w, out, talk)
		}
	}
}

// What the verbs tell of the commits of several repositories, all together and of
// one alone.
func TestServer_VerbsOfSeveralRepositories(t *testing.T) {
	var b *site
	s := newSiteWith(t, func(s *site, cfg *server.Config) {
		cfg.Followed = "ops"
		s.write("cluster.yaml", "cluster: {policy: {labels: {by: ops}}}\n")
		s.commit("shop/web.yaml", "workloads: {}\n")
		b = s.beside(cfg, "cats")
	})
	mine, theirs := s.git("rev-parse", "HEAD"), b.git("rev-parse", "HEAD")
	s.wants(exit.Fine, []string{mine[:10] + "  NoEffect"}, "status", "--wait", "--timeout", "20s")
	s.wants(exit.Fine, []string{theirs[:10] + "  NoEffect"}, "status", "--wait", "--repo", "cats", "--timeout", "20s")
	s.wants(exit.Fine, []string{theirs[:10] + "  NoEffect"}, "status", "--wait", "--revision", theirs[:8], "--timeout", "20s")
	s.wants(exit.Fine, []string{"ops   " + mine[:10], "cats  " + theirs[:10]}, "status")
	s.wants(exit.Fine, []string{"!" + mine[:10], theirs[:10]}, "status", "--repo", "cats")
	s.wants(exit.Fine, []string{"REPO", "ops", "cats"}, "history")
	s.wants(exit.Fine, []string{"!" + theirs[:10], mine[:10], "!REPO"}, "history", "--repo", "ops")
	s.wants(exit.Usage, []string{"there is no repository dogs; there are ops, cats"}, "history", "--repo", "dogs")
	var offered bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"__complete", "status", "--server", s.ready.URL, "--ca", s.ready.CA, "--cert", s.ready.Cert, "--key", s.ready.Key, "--repo", ""})
	root.SetOut(&offered)
	if run(t.Context(), root); !strings.HasPrefix(offered.String(), "ops\ncats\n") {
		t.Errorf("offered: %s", &offered)
	}

	bad := b.commit("cats/tom.yaml", "workloads: {tom: {kind: nothing}}\n")
	s.wants(exit.Failure, []string{bad[:10] + " is Failed"}, "status", "--wait", "--repo", "cats", "--revision", bad, "--timeout", "20s")
	s.wants(exit.Fine, []string{"commit " + bad[:10] + " of repository cats"}, "drift")
	s.wants(exit.Fine, []string{"!" + bad[:10]}, "drift", "--repo", "ops")

	b.write("cats/tom.yaml", workload("tom:1"))
	s.wants(exit.Usage, []string{"wants the operators' part"}, "plan", "--repo", "cats", b.repo)
	s.wants(exit.Unplaced, []string{"cats/web", "!cut off"}, "plan", "--repo", "cats", "--operators", s.repo, "-o", "json", b.repo)
	b.write("cats/cluster.yaml", "cluster: {}\n")
	s.wants(exit.Invalid, []string{"the cluster is described in the root package alone"}, "plan", "--repo", "cats", "--operators", s.repo, b.repo)
}

// Who is given which secret, and where each repository is: what is about one alone
// names it, and a secret is shown to no other host by itself.
func TestServerRepos_WhatConcernsWhom(t *testing.T) {
	type repo struct{ Name, URL, Branch, Root, Token, Key, Verify, Forge string }
	for name, c := range map[string]struct {
		args []string
		want []repo
		err  string
	}{
		"one, as ever": {[]string{"--repo", "https://git.example/ops.git?a=b", "--branch", "live", "--root", "deploy", "--git-token-file", "x=y"},
			[]repo{{URL: "https://git.example/ops.git?a=b", Branch: "live", Root: "deploy", Token: "x=y", Verify: "off"}}, ""},
		"others": {[]string{"--repo", "https://git.example/ops.git", "--repo", "b=https://GIT.example/b.git#next:in/b", "--repo", "c=git@c.example:c.git", "--root", "deploy",
			"--git-token-file", "token", "--git-key-file", "key", "--verify", "range", "--verify", "c=off", "--forge-token-file", "c=forge"},
			[]repo{{URL: "https://git.example/ops.git", Branch: "main", Root: "deploy", Token: "token", Key: "key", Verify: "range"},
				{Name: "b", URL: "https://GIT.example/b.git", Branch: "next", Root: "in/b", Token: "token", Key: "key", Verify: "range"},
				{Name: "c", URL: "git@c.example:c.git", Branch: "main", Key: "key", Verify: "off", Forge: "forge"}}, ""},
		"a name for the first": {[]string{"--repo", "ops=https://git.example/ops.git#live", "--repo", "b=https://other.example/b.git", "--git-token-file", "ops=mine", "--git-token-file", "b=theirs"},
			[]repo{{Name: "ops", URL: "https://git.example/ops.git", Branch: "live", Token: "mine", Verify: "off"},
				{Name: "b", URL: "https://other.example/b.git", Branch: "main", Token: "theirs", Verify: "off"}}, ""},
		"none":           {nil, nil, "a server wants a repository to follow"},
		"a second plain": {[]string{"--repo", "/a", "--repo", "/b"}, nil, "only the first --repo, the operators', may go without a name: want NAME=/b"},
	} {
		var cfg server.Config
		var flags repoFlags
		cmd := &cobra.Command{}
		flags.addFlags(cmd, &cfg.Source)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(name, err)
		}
		if err := flags.put(&cfg); c.err != "" || err != nil {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var got []repo
		for _, r := range append([]server.Repo{{Name: cfg.Followed, Source: cfg.Source, Forge: cfg.Forge}}, cfg.Others...) {
			got = append(got, repo{r.Name, r.Source.URL, r.Source.Branch, r.Source.Root, r.Source.TokenFile, r.Source.KeyFile, r.Source.Verify, r.Forge.TokenFile})
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A name that cannot be one, or that two have, is told of at the start.
func TestServer_NamesOfRepositories(t *testing.T) {
	for _, c := range []struct{ first, second, want string }{
		{"", "Bad Name", "a repository cannot be called"}, {"", "b", "two repositories cannot both be called b"}, {"b", "", "two repositories"},
	} {
		others := []server.Repo{{Name: "b"}}
		if c.second != "" {
			others = append(others, server.Repo{Name: c.second})
		}
		cfg := server.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Source: source.Config{URL: "/nowhere"}, Followed: c.first, Others: others}
		if err := server.Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
