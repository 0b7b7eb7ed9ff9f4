package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// drop removes links; those that are not there are no error.
func (w *wire) drop(names ...string) error {
	links, err := w.present(names)
	if err != nil {
		return err
	}
	if len(links) > 1 {
		return w.dropMany(links)
	}
	for _, link := range links {
		return absent(w.h.LinkDel(link))
	}
	return nil
}

func (w *wire) present(names []string) ([]netlink.Link, error) {
	var all []netlink.Link
	for _, name := range names {
		if name == "" {
			continue
		}
		link, err := w.h.LinkByName(name)
		if err == nil {
			all = append(all, link)
		} else if absent(err) != nil {
			return nil, fmt.Errorf("link %s: %w", name, err)
		}
	}
	return all, nil
}

// dropMany puts the links in a group that nobody else has, and deletes the group:
// the kernel waits once for all of them.
func (w *wire) dropMany(links []netlink.Link) error {
	group := 1<<30 | rand.Uint32N(1<<30)
	for _, link := range links {
		if err := absent(w.h.LinkSetGroup(link, int(group))); err != nil {
			return fmt.Errorf("link %s: group: %w", link.Attrs().Name, err)
		}
	}
	if w.groupIsOurs(group, links) {
		return deleteGroup(group)
	}
	var errs []error
	for _, link := range links {
		errs = append(errs, absent(w.h.LinkDel(link)))
	}
	return errors.Join(errs...)
}

// groupIsOurs makes sure that nothing else goes with the group.
func (w *wire) groupIsOurs(group uint32, links []netlink.Link) bool {
	mine := make(map[int]bool, len(links))
	for _, link := range links {
		mine[link.Attrs().Index] = true
	}
	all, err := w.links()
	if err != nil {
		return false
	}
	for _, link := range all {
		if a := link.Attrs(); a.Group == group && !mine[a.Index] {
			return false
		}
	}
	return true
}

func deleteGroup(group uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_DELLINK, unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); absent(err) != nil {
		return fmt.Errorf("links of group %d: %w", group, err)
	}
	return nil
}

// absent makes a link that is not there no error.
func absent(err error) error {
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
