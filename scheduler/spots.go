package scheduler

import (
	"iter"
	"maps"
)

// spot is a node that holds slots of a workload, or is otherwise to be looked at
// by itself.
type spot struct {
	node, slots int32
	next        int32 // of the same workload; −1 is the last
}

// spots are those of all workloads, a list for each. They grow by pieces, so that
// none is copied: with a million workloads of one slot this is most of what a
// Table knows of them.
type spots struct {
	first  map[string]int32 // by workload; its node is −1 while it has no spot
	pieces [][]spot
	count  int32
}

// spotPiece is how many spots are made at once: some 3 kB.
const spotPiece = 256

func (s *spots) at(id int32) *spot { return &s.pieces[id/spotPiece][id%spotPiece] }

func (s *spots) fresh(node, next int32) int32 {
	if s.count%spotPiece == 0 {
		s.pieces = append(s.pieces, make([]spot, spotPiece))
	}
	id := s.count
	s.count++
	*s.at(id) = spot{node: node, next: next}
	return id
}

// of is the list of a workload, begun if there is none.
func (s *spots) of(name string) int32 {
	id, known := s.first[name]
	if !known {
		id = s.fresh(-1, -1)
		s.first[name] = id
	}
	return id
}

// expect makes room for so many workloads more at once.
func (s *spots) expect(workloads int) {
	if workloads < spotPiece || workloads < len(s.first) {
		return
	}
	room := make(map[string]int32, len(s.first)+workloads)
	maps.Copy(room, s.first)
	s.first = room
}

// add puts a node, which it does not have yet, on a list.
func (s *spots) add(list, node int32) int32 {
	head := s.at(list)
	if head.node < 0 {
		head.node = node
		return list
	}
	head.next = s.fresh(node, head.next)
	return head.next
}

// find is the spot of a node on a list, added if there is none.
func (s *spots) find(list, node int32) *spot {
	for _, at := range s.each(list) {
		if at.node == node {
			return at
		}
	}
	return s.at(s.add(list, node))
}

// each hands over the spots of a list.
func (s *spots) each(list int32) iter.Seq2[int32, *spot] {
	return func(yield func(int32, *spot) bool) {
		for id := list; id >= 0; {
			at := s.at(id)
			if at.node >= 0 && !yield(id, at) {
				return
			}
			id = at.next
		}
	}
}
