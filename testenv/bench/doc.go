// Package bench measures the whole binary beside plain clients of the same
// engine: `make bench` prints one table of what was promised and what was found.
//
// Its benchmarks start real processes (`bayplan dev` in folders of their own) and
// real containers, so that a figure holds for what people run. The built-in
// runtime is also measured without an agent around it, beside the Docker Engine's
// API and runc with conmon. What is promised as a ratio is measured against a peer
// in the same run, in turns, so that a busy machine slows both. A figure over its
// limit is told, not failed: the machine's load is not ours. Only what does not
// run at all fails.
package bench
