package main

import (
	"github.com/spf13/cobra"

	"github.com/bayplan/bayplan/reconciler/source"
)

// sourceFlags are those about the repository that is followed.
func sourceFlags(cmd *cobra.Command, src *source.Config) {
	f := cmd.Flags()
	f.StringVar(&src.URL, "repo", "", "repository: a path, file://, https:// or ssh://")
	f.StringVar(&src.Branch, "branch", "main", "branch that is reconciled")
	f.StringVar(&src.Root, "root", "", "folder of the repository that is reconciled")
	f.DurationVar(&src.Poll, "poll", 0, "time between two looks at a remote (15s)")
	f.StringVar(&src.UserFile, "git-user-file", "", "file with the user for https")
	f.StringVar(&src.TokenFile, "git-token-file", "", "file with the token or password for https")
	f.StringVar(&src.App.ID, "git-app-id", "", "id of a GitHub App that may read the repository, for https")
	f.StringVar(&src.App.Installation, "git-app-installation", "", "number of the GitHub App's installation")
	f.StringVar(&src.App.KeyFile, "git-app-key", "", "private key of the GitHub App, PEM")
	f.StringVar(&src.App.API, "git-app-api", "", "API that gives the app its tokens (https://api.github.com)")
	f.StringVar(&src.CAFile, "git-ca-file", "", "certificates to trust for https, PEM")
	f.StringVar(&src.KeyFile, "git-key-file", "", "private key for ssh")
	f.StringVar(&src.AgentSocket, "git-ssh-agent", "", "socket of an ssh agent, whose keys are offered without --git-key-file ($SSH_AUTH_SOCK)")
	f.StringVar(&src.KnownHostsFile, "git-known-hosts", "", "known_hosts for ssh (~/.ssh/known_hosts)")
	f.StringVar(&src.Backend, "git-backend", source.BackendGo, "what speaks to the remote: go (built in) or exec (the machine's git, for hosts that want it)")
	completeFlag(cmd, "git-backend", source.BackendGo, source.BackendExec)
	f.StringVar(&src.Verify, "verify", source.VerifyOff, "which commits must be signed: off, tip (the newest), range (each since the last one in force)")
	f.StringVar(&src.Signers.AllowedSigners, "verify-ssh", "", "allowed_signers file of ssh-keygen(1) with the keys that count")
	f.StringVar(&src.Signers.Revoked, "verify-ssh-revoked", "", "public ssh keys that count no more, one a line")
	f.StringVar(&src.Signers.OpenPGP, "verify-openpgp", "", "OpenPGP keys that count, armoured")
	f.Int64Var(&src.MaxFetch, "git-max-bytes", 2<<30, "most bytes that one transfer may have")
	f.IntVar(&src.MaxObjects, "git-max-objects", 2_000_000, "most objects that one transfer may have")
	f.Int64Var(&src.MaxObject, "git-max-object", 64<<20, "most bytes of one file or other object of the repository")
	f.Int64Var(&src.MaxInflated, "git-max-unpacked", 8<<30, "most bytes of one transfer, unpacked")
	f.IntVar(&src.MaxFiles, "git-max-files", 50_000, "most files below --root")
	completeFlag(cmd, "verify", source.VerifyOff, source.VerifyTip, source.VerifyRange)
}

// completeFlag offers the values that a flag may have.
func completeFlag(cmd *cobra.Command, name string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not defined
	}
}
