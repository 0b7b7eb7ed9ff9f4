package images

import (
	"archive/tar"
	"math"
	"path"
	"strings"
)

// gate decides about a layer's entries one by one, before anything is written.
// It is the first wall; that the unpacking stays within the root whatever the
// links say is the second.
type gate struct {
	limits  Limits
	entries int
	bytes   int64
	// links are the layer's symbolic links by their place: where a path leads
	// is known without asking the disk.
	links map[string]string
}

func newGate(limits Limits) *gate { return &gate{limits: limits, links: map[string]string{}} }

// admit is whether the entry is to be unpacked; one that means nothing is passed
// over, one that is hostile ends the layer. It takes from an entry what no image
// may set.
func (g *gate) admit(h *tar.Header) (bool, error) {
	if g.entries++; g.entries > g.limits.Entries {
		return false, wrong("it has more than %d entries", g.limits.Entries)
	}
	name := path.Clean(h.Name)
	if h.Typeflag == tar.TypeXGlobalHeader || name == "." || name == "/" {
		return false, nil
	}
	if err := g.checkName(name); err != nil {
		return false, err
	}
	if base := path.Base(name); strings.HasPrefix(base, whiteoutPrefix+whiteoutPrefix) && base != opaqueMarker {
		return false, nil // the bookkeeping of aufs
	}
	admitted, err := g.checkKind(h, name)
	if !admitted || err != nil {
		return false, err
	}
	if err := g.follow(h, name); err != nil {
		return false, err
	}
	dropXattrs(h)
	return true, nil
}

// checkName is about the name by itself.
func (g *gate) checkName(name string) error {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	switch {
	case strings.HasPrefix(name, "/"):
		return wrong("entry %q has an absolute name", name)
	case parts[0] == "..":
		return wrong("entry %q leads out of the image", name)
	case len(parts)-1 > g.limits.Depth:
		return wrong("entry %.64q… lies %d directories deep; %d is the most", name, len(parts)-1, g.limits.Depth)
	case base == ".wh." || base == ".wh.." || base == ".wh...":
		return wrong("entry %q removes a directory from within", name)
	}
	for i, part := range parts {
		if len(part) > 255 {
			return wrong("entry %.64q… has a name of %d bytes", name, len(part))
		}
		if i < len(parts)-1 && strings.HasPrefix(part, whiteoutPrefix) {
			return wrong("entry %q lies in something that is removed", name)
		}
	}
	return nil
}

// checkKind is about what the entry would be. Devices are made by the runtime,
// never by an image; those under dev would be hidden by the container's own.
func (g *gate) checkKind(h *tar.Header, name string) (bool, error) {
	if id := int64(math.MaxUint32); h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= id || int64(h.Gid) >= id {
		return false, wrong("entry %q has the owner %d:%d", name, h.Uid, h.Gid)
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse: //nolint:staticcheck // old archives have it
		if h.Typeflag == tar.TypeGNUSparse {
			h.Typeflag = tar.TypeReg // the reader fills the holes
		}
		if h.Size < 0 || h.Size > g.limits.LayerBytes-g.bytes {
			return false, wrong("its files have more than %d bytes", g.limits.LayerBytes)
		}
		g.bytes += h.Size
	case tar.TypeDir, tar.TypeFifo:
	case tar.TypeSymlink, tar.TypeLink:
		if h.Linkname == "" || len(h.Linkname) > 4095 {
			return false, wrong("entry %q is a link to a name of %d bytes", name, len(h.Linkname))
		}
	case tar.TypeChar, tar.TypeBlock:
		whiteout := h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0
		if !whiteout && !strings.HasPrefix(name, "dev/") {
			return false, wrong("entry %q is a device", name)
		}
		return whiteout, nil
	default:
		return false, wrong("entry %q is of the unknown kind %q", name, h.Typeflag)
	}
	return true, nil
}

// follow is about where the entry's parent, and a hard link's target, lie once
// the layer's own symbolic links are followed.
func (g *gate) follow(h *tar.Header, name string) error {
	parent, err := g.resolve(path.Dir(name))
	if err != nil {
		return wrong("entry %q %v", name, err)
	}
	if h.Typeflag == tar.TypeLink {
		if climbs(h.Linkname) {
			return wrong("entry %q is a hard link to %q, out of the image", name, h.Linkname)
		}
		// An absolute target is meant from the image's root.
		if _, err := g.resolve(path.Dir(strings.TrimLeft(path.Clean(h.Linkname), "/"))); err != nil {
			return wrong("entry %q is a hard link to %q, which %v", name, h.Linkname, err)
		}
	}
	place := path.Join(parent, path.Base(name))
	if h.Typeflag == tar.TypeSymlink {
		g.links[place] = h.Linkname
	} else {
		delete(g.links, place)
	}
	return nil
}

func climbs(name string) bool {
	name = path.Clean(name)
	return name == ".." || strings.HasPrefix(name, "../")
}

// linksFollowed is the kernel's own bound.
const linksFollowed = 40

// resolve follows a directory's path, relative to the root, through the layer's
// links. One that climbs above the root is hostile: nothing that builds images
// writes through such a link.
func (g *gate) resolve(dir string) (string, error) {
	todo, at := strings.Split(path.Clean(dir), "/"), "."
	for followed := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch {
		case part == "." || part == "":
			continue
		case part == ".." && at == ".":
			return "", wrong("leads out of the image by a symbolic link")
		}
		next := path.Join(at, part)
		target, linked := g.links[next]
		if !linked {
			at = next
			continue
		}
		if followed++; followed > linksFollowed {
			return "", wrong("leads through more than %d symbolic links", linksFollowed)
		}
		if strings.HasPrefix(target, "/") {
			at = "."
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at, nil
}

// dropXattrs leaves the attributes that belong to a file's content: those of
// overlayfs and of the node's security modules are not an image's to set. File
// capabilities stay, which containers' programs rely on. The kernel has a user's
// attributes on files and directories only.
func dropXattrs(h *tar.Header) {
	for key := range h.PAXRecords {
		attr, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		space, _, _ := strings.Cut(attr, ".")
		switch {
		case !ok || attr == "security.capability":
		case space == "trusted", space == "security", strings.HasPrefix(attr, "user.overlay."),
			space == "user" && h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir:
			delete(h.PAXRecords, key)
		}
	}
}
