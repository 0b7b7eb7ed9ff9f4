package images

import "context"

// checkRoom is whether the disk takes that many bytes and keeps its reserve.
func (s *Store) checkRoom(bytes int64) error {
	d, err := s.disk()
	if err != nil {
		return local(err)
	}
	if err := d.Room(bytes, s.cfg.Limits.Reserve); err != nil {
		return local(err)
	}
	return nil
}

// sized tells an image that does not fit from a disk that is full without it: the
// one is the image's fault and leaves room for others, the other is the node's.
func (s *Store) sized(err error) error {
	if isFull(err) && s.checkRoom(0) == nil {
		return &noFitError{err}
	}
	return err
}

// makeRoom refuses early what cannot be fetched: it clears unused images when
// that many bytes do not fit beside the reserve.
func (s *Store) makeRoom(ctx context.Context, bytes int64) error {
	full := s.checkRoom(bytes)
	if full == nil || bytes == 0 || s.cfg.InUse == nil {
		return full
	}
	_, err := s.clear(ctx, freshFor, func() (bool, error) { return s.checkRoom(bytes) != nil, nil })
	if err != nil {
		s.cfg.Log.Warn("making room for an image", "err", err)
	}
	return s.checkRoom(bytes)
}
