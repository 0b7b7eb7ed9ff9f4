// Package evaluate has what others wrote evaluated by processes that can be
// killed. A commit is a program: four lines of CUE can want more memory than
// there is, and no evaluation can be interrupted from within.
//
// A [Pool] is the server's side: it starts workers (`bayplan worker`, the same
// binary), gives each one package at a time and hands it the folders that it
// asks for, out of the commit's objects. [Work] is the worker's side. Nothing
// else passes between the two: a worker opens no file.
//
// # What it promises
//
// A package that takes too much costs its own team the update and nobody else
// anything. It is an error that names the package and the limit; the worker is
// killed, another one goes on with the next package, and the server's own memory
// and processor are not touched:
//
//	processor time   load.Limits.PackageTime, by RLIMIT_CPU
//	time             six times that, by the server's clock
//	memory           Config.Memory, by RLIMIT_DATA
//	output           Config.Output, by the server, before it is decoded
//	stack            an eighth of the memory
//	input            what one package may ask for: 20,000 folders, 256 MiB
//
// What a worker sends is believed nothing: schema/load checks it again.
//
// # What a worker cannot do
//
// Once it has said hello, before it sees a line of anybody's, a filter of system
// calls leaves it reading and writing its pipes, memory, threads and the clock:
// it opens no file, makes no socket, starts no process. That needs no privilege.
// Its environment is empty, it has no descriptors but the three pipes, it dies
// with the server, and where memory runs out on the machine the kernel takes it
// first. Where the server is root, or users may have namespaces of their own, it
// also has a network with nothing in it, sees no processes, and is nobody. Where
// one of these cannot be had the worker says so in its hello and [Pool] logs it
// once; the limits above hold everywhere.
//
// A worker is used for many packages, one after the other: CUE is memory-safe,
// and an evaluation leaves nothing behind but the names of fields. It is replaced
// after some thousand packages, and ends when it has been idle for minutes.
package evaluate
