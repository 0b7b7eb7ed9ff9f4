// Package e2e runs the binary as people do: built, started by `bayplan dev`, with
// real processes, a real Git repository and a real engine. Its tests take
// minutes and run only with BAYPLAN_E2E set (make e2e).
package e2e
