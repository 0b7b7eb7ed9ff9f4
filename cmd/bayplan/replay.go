package main

import (
	"time"

	"github.com/bayplan/bayplan/reconciler/status"
)

// replay knows which events of a record that is read a second time were
// printed already: those before the newest, and those of its instant one by
// one. Within one reading nothing is passed over.
type replay struct {
	newest time.Time
	at     map[string]bool
	again  bool
}

// restart says that the record is read from its beginning; first is whether it
// is for the first time.
func (r *replay) restart() (first bool) {
	r.again = r.at != nil
	return !r.again
}

// fresh is whether e is new; it counts as seen from then on.
func (r *replay) fresh(e *status.Event, raw []byte) bool {
	if r.again && (e.Time.Before(r.newest) || r.at[string(raw)]) {
		return false
	}
	r.again = r.again && e.Time.Equal(r.newest)
	if r.at == nil || e.Time.After(r.newest) {
		r.newest, r.at = e.Time, map[string]bool{}
	}
	if e.Time.Equal(r.newest) {
		r.at[string(raw)] = true
	}
	return true
}
