// Package source watches one branch of one Git repository and hands over each
// new commit as a [Tip]: who wrote it and an fs.FS of its files, read from git
// objects with no checkout. It is the only importer of go-git.
//
// # What it promises
//
// Unknown is never absent. A remote that is away, a branch that is gone, a
// tree without files, an object that is damaged: each becomes a [Trouble] with
// a code, a cause and what to type next, and never a Tip. The last Tip stays
// true; when the trouble ends, an Update says so.
//
// A Tip can be read for as long as it is wanted. What is delivered was first
// brought into a mirror of our own, under Config.Dir, and found whole there, so
// that a remote that is deleted or damaged a second later changes nothing, and
// a server that starts again without its remote still has its last commit.
//
// Every commit of the branch is told of, once it is there: those that a push or a
// merge brought with its newest are listed beside that one's Tip.
//
// What a repository may cost is bounded before it is paid: bytes and objects of a
// transfer, the size of one object and of all together, the files and the depth of
// a tree. Symbolic links, submodules and what Git LFS keeps elsewhere are left out
// with a warning; a name that no path can have, or beyond a bound, is a Trouble of
// its commit, since what cannot be seen must not read as gone.
//
// Whose commits count, where Config.Verify asks, is decided by keys that the
// server's operator named and by nothing in the repository; [Source.Verify] says
// it, and what a stranger wrote is delivered like any other commit too.
//
// A rewritten history is delivered like any other commit: whether it may be
// applied is the caller's decision, for which it asks [Source.Descends].
//
// # How a commit gets here
//
// A look asks the remote for its refs, brings the objects that the mirror lacks,
// checks that the tree below the root folder is whole, and records the commit
// as accepted. Looks happen at the start, every Poll with jitter, at a Poke, and
// for a repository on this machine whenever its refs change on disk. They back
// off exponentially while the remote does not answer.
//
// A repository on this machine is not fetched from: a fetch starts two
// processes of git and costs 20 to 40 ms. Its refs and objects are read directly
// and the few new ones copied into the mirror, which takes 1 to 5 ms and needs
// no git on the machine. Reading through the copy keeps one path for all
// remotes and pins what was read.
//
// Where go-git cannot speak to a host, Config.Backend has the git binary do it, in
// an environment without anybody's settings and in a repository of its own; what
// it brings goes the same way through the same limits.
//
// The mirror is a cache in generations (mirror-000001.git, …). When it turns
// out damaged, or has gathered too many packs, a new generation is built beside
// it from the remote and takes its place by one rename; the former one stays
// until the next change, for readers that still hold it.
package source
