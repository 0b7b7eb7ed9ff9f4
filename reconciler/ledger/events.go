package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/bayplan/bayplan/reconciler/status"
)

const (
	// MaxEvents is how many events are kept; older ones go.
	MaxEvents = 10_000
	// perPage is how many events one key holds at most: the log is trimmed by
	// pages, so it holds that many less at worst.
	perPage = 100

	// maxText bounds each text of an event, in bytes: a person's line or a few.
	maxText = 2 << 10
	// pageBytes bounds the texts of one page, so that it fits one value.
	pageBytes = 256 << 10

	eventsKey = "events/"
)

// page is one key of the log: its serial and how many events it holds, both of
// which stand in the key.
type page struct {
	serial uint64
	events int
}

func (p page) key() string { return fmt.Sprintf("%s%016x-%d", eventsKey, p.serial, p.events) }

func parsePage(key string) (page, error) {
	serial, events, ok := strings.Cut(strings.TrimPrefix(key, eventsKey), "-")
	s, err := strconv.ParseUint(serial, 16, 64)
	n, err2 := strconv.Atoi(events)
	if !ok || err != nil || err2 != nil {
		return page{}, fmt.Errorf("%w: %q is no page of the event log", ErrCorrupt, key)
	}
	return page{s, n}, nil
}

// eventLog is the stored log's pages, oldest first.
type eventLog struct {
	pages []page
	total int
}

// append tells what to write for more events, and the log after that. The
// receiver stays as it is.
func (e eventLog) append(events []status.Event) ([]op, eventLog, error) {
	if len(events) > MaxEvents {
		events = events[len(events)-MaxEvents:]
	}
	var ops []op
	next := e.next()
	log := eventLog{slices.Clip(e.pages), e.total + len(events)}
	for _, chunk := range paged(events) {
		p := page{next, len(chunk)}
		value, err := pack(chunk)
		if err == nil {
			err = sized(p.key(), value)
		}
		if err != nil {
			return nil, e, err
		}
		ops = append(ops, op{Key: p.key(), Value: value})
		log.pages = append(log.pages, p)
		next++
	}
	for log.total > MaxEvents {
		ops = append(ops, op{Key: log.pages[0].key(), Gone: true})
		log.total -= log.pages[0].events
		log.pages = log.pages[1:]
	}
	return ops, log, nil
}

// paged cuts events, in their order, into what one page holds, and their texts
// to what the log keeps.
func paged(events []status.Event) [][]status.Event {
	var pages [][]status.Event
	size := 0
	for _, e := range events {
		n := cutTexts(&e)
		if last := len(pages) - 1; last < 0 || len(pages[last]) == perPage || size+n > pageBytes {
			pages, size = append(pages, nil), 0
		}
		last := len(pages) - 1
		pages[last] = append(pages[last], e)
		size += n
	}
	return pages
}

// cutTexts bounds an event's texts and sums them up.
func cutTexts(e *status.Event) (bytes int) {
	for _, text := range []*string{&e.Kind, &e.Workload, &e.Slot, &e.Node, &e.Commit, &e.Actor, &e.Text} {
		if len(*text) > maxText {
			const mark = "…"
			*text = strings.ToValidUTF8((*text)[:maxText-len(mark)], "") + mark
		}
		bytes += len(*text)
	}
	return bytes
}

func (e eventLog) next() uint64 {
	if len(e.pages) == 0 {
		return 1
	}
	return e.pages[len(e.pages)-1].serial + 1
}

// readLog lists the pages.
func (l *Ledger) readLog(ctx context.Context) (eventLog, error) {
	got, err := l.kv.Get(ctx, l.key(eventsKey), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return eventLog{}, err
	}
	log := eventLog{pages: make([]page, 0, len(got.Kvs))}
	for _, kv := range got.Kvs {
		p, err := parsePage(strings.TrimPrefix(string(kv.Key), l.cfg.Prefix))
		if err != nil {
			return eventLog{}, err
		}
		log.pages = append(log.pages, p)
		log.total += p.events
	}
	return log, nil
}

// Events are the newest recorded ones, oldest first, at most last of them; all
// that are kept where last is not positive.
func (l *Ledger) Events(ctx context.Context, last int) ([]status.Event, error) {
	var pages [][]status.Event
	err := l.do(ctx, func(ctx context.Context) (err error) {
		pages, err = l.readPages(ctx, last)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	slices.Reverse(pages)
	events := slices.Concat(pages...)
	if last > 0 && len(events) > last {
		events = events[len(events)-last:]
	}
	return events, nil
}

// readPages reads the newest pages, newest first: as many as events are asked
// for, since a page may hold only one.
func (l *Ledger) readPages(ctx context.Context, last int) ([][]status.Event, error) {
	got, err := l.kv.Get(ctx, l.key(eventsKey), clientv3.WithPrefix(),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(int64(max(last, 0))))
	if err != nil {
		return nil, err
	}
	pages := make([][]status.Event, len(got.Kvs))
	for i, kv := range got.Kvs {
		if err := unpack(string(kv.Key), kv.Value, &pages[i]); err != nil {
			return nil, err
		}
	}
	return pages, nil
}
