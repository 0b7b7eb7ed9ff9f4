package scheduler

import "cmp"

// push adds v to h, a binary heap with its least value in front.
func push[T cmp.Ordered](h []T, v T) []T {
	h = append(h, v)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up] <= v {
			break
		}
		h[i], h[up] = h[up], v
		i = up
	}
	return h
}

// pop takes the least value off h.
func pop[T cmp.Ordered](h []T) []T {
	last := len(h) - 1
	v := h[last]
	h = h[:last]
	for i := 0; i < last; {
		down := 2*i + 1
		if down >= last {
			h[i] = v
			break
		}
		if down+1 < last && h[down+1] < h[down] {
			down++
		}
		if v <= h[down] {
			h[i] = v
			break
		}
		h[i], i = h[down], down
	}
	return h
}
