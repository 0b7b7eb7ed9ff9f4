// Package serve is the cluster's API: what the client's verbs and other tools
// ask of a server, over Connect (gRPC and HTTP/JSON on one path).
//
// It decides nothing. Each call reads what the loop published ([Cluster]), asks
// a node through its session ([Consoles]) or makes a join line ([Joiner]), and
// answers with the documents of reconciler/status as their JSON.
//
// What it promises: every message is bounded; a watcher that reads slowly skips
// to the newest status and never queues (I35); a stream ends with its request's
// context and leaves no goroutine behind; every error has a code and a sentence
// that says one cause and, where there is one, the next command.
package serve
