package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/client"
	"github.com/bayplan/bayplan/cmd/bayplan/internal/exit"
	"github.com/bayplan/bayplan/reconciler/status"
)

// ofRepo is the repository that a verb is narrowed to, where the server follows
// several.
type ofRepo struct{ name string }

func (o *ofRepo) addFlag(cmd *cobra.Command, conn *client.Config) {
	cmd.Flags().StringVar(&o.name, "repo", "", "of the repositories that the server follows, this one alone")
	if err := cmd.RegisterFlagCompletionFunc("repo", completeFrom(conn, (*status.Status).RepoNames)); err != nil {
		panic(err) // the flag is not defined
	}
}

// find is the repository as the server knows it.
func (o *ofRepo) find(st *status.Status) (repo string, err error) {
	repo, known := st.RepoNamed(o.name)
	switch {
	case known:
		return repo, nil
	case len(st.Repos) == 0:
		return "", exit.Usagef("leave --repo out", "there is no repository %s: the server follows one alone", o.name)
	}
	return "", exit.Usagef("choose one of them", "there is no repository %s; there are %s", o.name, strings.Join(st.RepoNames(), ", "))
}

// ask is find with the server's newest status.
func (o *ofRepo) ask(cmd *cobra.Command, c *client.Client) (repo string, err error) {
	st, err := ask(cmd.Context(), c)
	if err != nil {
		return "", err
	}
	return o.find(st)
}

// narrow is the part of a status that is the repository's; all of it where none is
// named.
func (o *ofRepo) narrow(st *status.Status) (*status.Status, error) {
	if o.name == "" {
		return st, nil
	}
	repo, err := o.find(st)
	if err != nil {
		return nil, err
	}
	return st.Of(repo), nil
}
