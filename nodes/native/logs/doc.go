// Package logs keeps a container's output in files: the monitor writes them, the
// agent reads them, and neither needs the other to be there.
//
// A folder holds numbered files, "00000001.log" and on. Only the newest grows;
// when it is full the next number begins and the oldest goes. A file that has a
// successor never changes again, which is all that a reader needs to know to
// follow over a rotation without loss.
//
// A record is a line as the CRI has it:
//
//	2026-11-22T22:11:59.000000001Z stdout F all of a line
//	2026-11-22T22:11:59.000000001Z stderr P the beginning of one
//
// Output is written as it comes: the beginning of a line does not wait for its
// end, so nothing is lost with a monitor that is killed, and a prompt is seen.
package logs
