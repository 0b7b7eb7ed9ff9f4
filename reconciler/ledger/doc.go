// Package ledger keeps the few facts that must outlive the server, in etcd: a
// member that runs inside this process by default, an outside cluster by
// [Config.Endpoints]. It is the only importer of etcd.
//
// What it promises:
//
//   - [Term.Record] is all or nothing, whatever its size and whenever the
//     process is killed: who reads the facts later sees them as they were
//     before it or after it (I13, I21, I32). A change that fits one transaction
//     is one; a bigger one goes through a journal that the next reader honours.
//   - Only the present leader writes: every transaction of a [Term] compares
//     the key of its election, and fails with [ErrLostEpoch] once that is gone
//     (I20). Epochs grow from term to term, over restarts and over a backup
//     that was played back (I38).
//   - It is bounded: [MaxEvents] events, a text of a workload only while
//     something names it, history compacted (I35).
//   - Trouble of the disk is an error, never a panic: [Open] refuses below
//     [MinFree], [Ledger.Low] warns early, writes stop at a floor, the database
//     owns its next blocks beforehand, and a member that dies nevertheless ends
//     the Ledger ([Ledger.Done]) and not the process.
//   - A field that the facts get later is kept and compared, or a test fails.
//
// The keys, under [Config.Prefix]:
//
//	leader/<lease>         who stands for election, and since when
//	epoch                  the last term's number
//	facts/head             format, revision, teams, the order of the commits
//	facts/spec/<team>      what the team asks for, as names of workload texts
//	facts/workloads/<hash> one workload's full text, stored once
//	facts/rollouts/<name>  facts/commits/<hash>  facts/approvals  facts/plans
//	facts/enrolments       facts/volumes
//	facts/ends/<workload>  how its newest rollouts ended
//	facts/nodes/<name>     how the node described itself
//	facts/assignments/<name> what it was last told
//	facts/parts/<fact>/<n> a fact that is too large for one value, in parts
//	facts/journal/<n>      a big change on its way
//	events/<serial>-<n>    n events each
//	cluster, tokens/<hash> the small documents
//
// Every value is JSON; from a kilobyte on it is a zstd frame around JSON, which
// its first byte tells apart.
package ledger
