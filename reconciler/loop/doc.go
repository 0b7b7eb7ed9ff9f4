// Package loop is the one caller of Reconcile. It brings together what the
// repository asks for, what the nodes report and what the ledger remembers,
// decides, records the decision, and only then hands the orders out (I32).
//
// One goroutine decides. Everything slow (evaluating a commit, asking a
// registry) happens beside it and comes back as a message; every message means
// no more than "look again".
package loop
