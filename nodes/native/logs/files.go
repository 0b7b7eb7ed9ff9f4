package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const extension = ".log"

func path(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%08d%s", number, extension))
}

// numbers are the files of a log in their order; what has another name is none.
func numbers(dir string) ([]int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, name := range names {
		base, ok := strings.CutSuffix(name, extension)
		if n, err := strconv.Atoi(base); ok && err == nil && n > 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}
