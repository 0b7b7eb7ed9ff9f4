package native

// What the tests see of the package.

// OnStep calls f at each step that leaves a trace.
func (r *Runtime) OnStep(f func(string)) { r.step = f }

// Folder and Group are where a container is, on disk and among control groups.
func (r *Runtime) Folder(id string) string { return r.names.path(r.names.folder(id)) }
func (r *Runtime) Group() string           { return r.names.group }
