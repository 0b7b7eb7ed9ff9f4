// Package reconciler decides. [Reconcile] is one pure function over a whole
// pass: what is desired, what is observed and what is remembered go in; what
// every node should run, what to remember and when to look again come out.
//
// It is level-triggered: it is given everything and compares everything, and
// an event elsewhere only says "look again". It has no clock (Input.Now, and
// Plan.Wake as the next instant worth a look), no lock, no I/O, and the same
// input gives the same plan, byte for byte (I14).
package reconciler
