package schema

// References are the images that the workload's containers are made of, as
// written and by digest, the main one's first; those of one-shot containers that
// run the workload's own image are left out. Pinned is empty until it is known.
func (w *Workload) References(yield func(image, pinned string) bool) {
	if w.Image != "" && !yield(w.Image, w.Pinned) {
		return
	}
	for _, p := range w.Parts() {
		if !yield(p.Image, p.Pinned) {
			return
		}
	}
	for _, o := range w.OneShots() {
		if o.Image != "" && !yield(o.Image, o.Pinned) {
			return
		}
	}
}

// Unpinned is the first image whose digest is not known; empty where all are.
func (w *Workload) Unpinned() string {
	for image, pinned := range w.References {
		if pinned == "" {
			return image
		}
	}
	return ""
}

// PinOf is the digest that the workload has for an image as written.
func (w *Workload) PinOf(written string) string {
	if w == nil {
		return ""
	}
	for image, pinned := range w.References {
		if image == written && pinned != "" {
			return pinned
		}
	}
	return ""
}

// WithPins is the workload with pin's answer for every image that it names, empty
// where that is not known. The workload itself stays as it is.
func (w Workload) WithPins(pin func(image string) string) Workload {
	if w.Image != "" {
		w.Pinned = pin(w.Image)
	}
	if w.IsGroup() {
		w = w.WithParts(func(p *Part) string { return pin(p.Image) })
	}
	return w.WithOneShots(func(o *OneShot) string {
		if o.Image == "" {
			return ""
		}
		return pin(o.Image)
	})
}

// Names is whether one of the workload's containers is made of the image.
func (w *Workload) Names(written string) bool {
	for image := range w.References {
		if image == written {
			return true
		}
	}
	return false
}
