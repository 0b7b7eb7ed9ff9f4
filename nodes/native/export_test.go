package native

// What the tests see of the package.

// OnStep calls f at each step that leaves a trace.
func (r *Runtime) OnStep(f func(string)) { r.step = f }

// Folder and Group are where a container is, on disk and among control groups.
func (r *Runtime) Folder(id string) string { return r.names.path(r.names.folder(id)) }
func (r *Runtime) Group() string           { return r.names.group }

// Config is what it was made with.
func (r *Runtime) Config() Config { return r.cfg }

// Init is the pid of a container's first process.
func (r *Runtime) Init(id string) int {
	b := r.boxes[id]
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.started.Init.Pid
}

// Cleared waits until what was removed is gone from the disk.
func (r *Runtime) Cleared() { r.clearing.Wait() }
