package main

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/schema"
)

// Whom a setting concerns that names no repository.
const (
	// ofAll is each that has none of its own.
	ofAll = iota
	// ofHost is the operators' and those on its host: a secret is shown to nobody
	// whom it was not made for.
	ofHost
)

// setting is a flag about repositories: VALUE, or NAME=VALUE for one alone.
type setting struct {
	texts []string
	// fallback is the value that none was given for.
	fallback string
	whom     int
	of       func(*server.Repo) *string
}

func (r *repoFlags) add(cmd *cobra.Command, name, fallback, usage string, whom int, of func(*server.Repo) *string) {
	s := &setting{fallback: fallback, whom: whom, of: of}
	cmd.Flags().Var(s, name, usage)
	r.settings = append(r.settings, s)
}

// Set takes one more; whether its beginning is a repository's name is not known yet.
func (s *setting) Set(text string) error {
	s.texts = append(s.texts, text)
	return nil
}

// String is what was given.
func (s *setting) String() string {
	if len(s.texts) == 0 {
		return s.fallback
	}
	return strings.Join(s.texts, ", ")
}

// Type names the value in help texts.
func (s *setting) Type() string { return "string" }

// put gives every repository its own, or what holds for it.
func (s *setting) put(repos []server.Repo) {
	plain := s.fallback
	own := map[string]string{}
	for _, text := range s.texts {
		name, value, said := strings.Cut(text, "=")
		if said && name != "" && slices.ContainsFunc(repos, func(r server.Repo) bool { return r.Name == name }) {
			own[name] = value
		} else {
			plain = text
		}
	}
	for i := range repos {
		value, said := own[repos[i].Name]
		switch {
		case said:
		case i == 0 || s.whom == ofAll || hostOf(repos[i].Source.URL) == hostOf(repos[0].Source.URL):
			value = plain
		default:
			value = s.fallback
		}
		*s.of(&repos[i]) = value
	}
}

// hostOf is the scheme and host of a URL, or the text itself where it has none.
func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Scheme + "://" + strings.ToLower(u.Host)
	}
	return text
}

// put gives the server's configuration the repositories with all that was said
// about them.
func (r *repoFlags) put(cfg *server.Config) error {
	const next = "bayplan server --help"
	if len(r.urls) == 0 || r.urls[0] == "" {
		return exit.Usagef(next, "a server wants a repository to follow: --repo")
	}
	repos := make([]server.Repo, len(r.urls))
	for i, text := range r.urls {
		x := &repos[i]
		x.Source = cfg.Source
		name, address, said := strings.Cut(text, "=")
		if !said || !schema.ValidName(name) {
			if i > 0 {
				return exit.Usagef(next, "only the first --repo, the operators', may go without a name: want NAME=%s", text)
			}
			x.Source.URL = text
			continue
		}
		if i > 0 {
			x.Source.Root = ""
		}
		x.Name = name
		address, place, _ := strings.Cut(address, "#")
		branch, root, _ := strings.Cut(place, ":")
		x.Source.URL, x.Source.Branch, x.Source.Root = address, cmp.Or(branch, x.Source.Branch), cmp.Or(root, x.Source.Root)
	}
	for _, s := range r.settings {
		s.put(repos)
	}
	cfg.Source, cfg.Forge, cfg.Followed, cfg.Others = repos[0].Source, repos[0].Forge, repos[0].Name, repos[1:]
	return nil
}
