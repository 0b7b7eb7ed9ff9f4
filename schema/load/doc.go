// Package load turns the tree of one commit into desired state, or into errors
// that point into the user's files.
//
// [Load] reads an fs.FS and nothing else: no checkout, no network, no
// environment. Each directory that holds CUE, YAML or JSON files is a package
// of workloads and its path is the team; the root package holds the operators'
// `cluster` alone. Names that begin with "." or "_", cue.mod, and files ending
// in _tool.cue or _test.cue are passed over, and so are symbolic links. Files of
// a parent folder do not join the package, as cue/load would have it: a team's
// workloads would be those of every team below it, too.
//
// What happens to a package, in order:
//
//	scan.go     its folder is found, and what its contents hash to
//	cache.go    if nothing that had a say in it has changed, that was all
//	store.go    nor where it lies on disk, from an earlier process of this build
//	tree.go     its files are read into memory, under limits
//	parse.go    they become syntax; one workload in two data files is refused
//	imports.go  imports are resolved inside the repository
//	root.go     what holds for all teams is read from the root package
//	judge.go    each workload is unified with the schema of its kind
//	text.go     what it comes to leaves CUE, with its defaults
//	policy.go   that is held to the cluster's policy, as data and in another context
//	apart.go    and if only the policy changed, what it came to before
//	render.go   what CUE says against it becomes "file:line:col: path: message"
//	bounds.go   of the whole tree, teams are held to pools, owners and grants
//
// A team that breaks a rule is left out whole and the others go on. Every
// package is evaluated in a context of its own, which is dropped after it: a
// shared one would hold each value it ever saw. A [Cache] remembers results by
// the content that they came from: where the file system knows the hashes of
// folders, as Git does, those that did not change are neither listed nor read.
//
// CUE is a program: a hostile file can spend any amount of time and memory, and
// evaluation cannot be interrupted. patience.go waits for each package for a
// limited time and goes on without it, which keeps one team from holding up the
// others; it gets neither the processor nor the memory back. Who evaluates what
// strangers wrote does so in a process that may be killed: elsewhere.go has the
// packages of a tree evaluated by one, and receive.go believes nothing of what it
// sends. Therefore a [result] is plain data, and an evaluation sees nothing but
// the folders that it asks for.
package load
