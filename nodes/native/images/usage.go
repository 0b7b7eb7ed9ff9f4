package images

// Usage is how many images the store has, and how many bytes their layers hold,
// each layer once.
func (s *Store) Usage() (images int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.layers {
		bytes += l.Size
	}
	return len(s.images), bytes
}
