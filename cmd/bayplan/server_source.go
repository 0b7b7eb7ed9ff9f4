package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/cmd/bayplan/internal/server"
	"github.com/bayplan/bayplan/reconciler/source"
)

// repoFlags are those about the repositories that are followed.
type repoFlags struct {
	urls []string
	// settings are what may be another for each.
	settings []*setting
}

func (r *repoFlags) addFlags(cmd *cobra.Command, src *source.Config) {
	f := cmd.Flags()
	f.StringArrayVar(&r.urls, "repo", nil, "repository: a path, file://, https:// or ssh://; the operators' first, then NAME=URL#BRANCH:FOLDER; may be repeated")
	f.StringVar(&src.Branch, "branch", "main", "branch that is reconciled")
	f.StringVar(&src.Root, "root", "", "folder of the repository that is reconciled")
	f.DurationVar(&src.Poll, "poll", 0, "time between two looks at a remote (15s)")
	r.add(cmd, "git-user-file", "", "file with the user for https", ofHost, func(x *server.Repo) *string { return &x.Source.UserFile })
	r.add(cmd, "git-token-file", "", "file with the token or password for https", ofHost, func(x *server.Repo) *string { return &x.Source.TokenFile })
	r.add(cmd, "git-app-id", "", "id of a GitHub App that may read the repository, for https", ofHost, func(x *server.Repo) *string { return &x.Source.App.ID })
	r.add(cmd, "git-app-installation", "", "number of the GitHub App's installation", ofHost, func(x *server.Repo) *string { return &x.Source.App.Installation })
	r.add(cmd, "git-app-key", "", "private key of the GitHub App, PEM", ofHost, func(x *server.Repo) *string { return &x.Source.App.KeyFile })
	r.add(cmd, "git-app-api", "", "API that gives the app its tokens (https://api.github.com)", ofHost, func(x *server.Repo) *string { return &x.Source.App.API })
	r.add(cmd, "git-ca-file", "", "certificates to trust for https, PEM", ofAll, func(x *server.Repo) *string { return &x.Source.CAFile })
	r.add(cmd, "git-key-file", "", "private key for ssh", ofAll, func(x *server.Repo) *string { return &x.Source.KeyFile })
	r.add(cmd, "git-ssh-agent", "", "socket of an ssh agent, whose keys are offered without --git-key-file ($SSH_AUTH_SOCK)", ofAll, func(x *server.Repo) *string { return &x.Source.AgentSocket })
	r.add(cmd, "git-known-hosts", "", "known_hosts for ssh (~/.ssh/known_hosts)", ofAll, func(x *server.Repo) *string { return &x.Source.KnownHostsFile })
	f.StringVar(&src.Backend, "git-backend", source.BackendGo, "what speaks to the remote: go (built in) or exec (the machine's git, for hosts that want it)")
	completeFlag(cmd, "git-backend", source.BackendGo, source.BackendExec)
	r.add(cmd, "verify", source.VerifyOff, "which commits must be signed: off, tip (the newest), range (each since the last one in force)", ofAll, func(x *server.Repo) *string { return &x.Source.Verify })
	r.add(cmd, "verify-ssh", "", "allowed_signers file of ssh-keygen(1) with the keys that count", ofAll, func(x *server.Repo) *string { return &x.Source.Signers.AllowedSigners })
	r.add(cmd, "verify-ssh-revoked", "", "public ssh keys that count no more, one a line", ofAll, func(x *server.Repo) *string { return &x.Source.Signers.Revoked })
	r.add(cmd, "verify-openpgp", "", "OpenPGP keys that count, armoured", ofAll, func(x *server.Repo) *string { return &x.Source.Signers.OpenPGP })
	f.Int64Var(&src.MaxFetch, "git-max-bytes", 2<<30, "most bytes that one transfer may have")
	f.IntVar(&src.MaxObjects, "git-max-objects", 2_000_000, "most objects that one transfer may have")
	f.Int64Var(&src.MaxObject, "git-max-object", 64<<20, "most bytes of one file or other object of the repository")
	f.Int64Var(&src.MaxInflated, "git-max-unpacked", 8<<30, "most bytes of one transfer, unpacked")
	f.IntVar(&src.MaxFiles, "git-max-files", 50_000, "most files below --root")
	r.add(cmd, "forge-token-file", "", "file with a token of the repository's forge: open pull requests are planned, and it is told of plans and outcomes", ofHost,
		func(x *server.Repo) *string { return &x.Forge.TokenFile })
	r.add(cmd, "forge", "", "which forge that is: github, gitlab, gitea or forgejo (told by the host of a public one)", ofHost, func(x *server.Repo) *string { return &x.Forge.Kind })
	r.add(cmd, "forge-api", "", "where its API is (where it has it on the repository's host)", ofHost, func(x *server.Repo) *string { return &x.Forge.API })
	completeFlag(cmd, "verify", source.VerifyOff, source.VerifyTip, source.VerifyRange)
}

// completeFlag offers the values that a flag may have.
func completeFlag(cmd *cobra.Command, name string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not defined
	}
}
