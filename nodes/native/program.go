package native

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/bayplan/bayplan/nodes/native/monitor/launch"
)

// program is the monitor's, sealed in memory when it is first needed: all
// monitors share its pages, and no container can write to it.
type program struct {
	open func() (io.ReadCloser, error)

	mu   sync.Mutex
	file *os.File
}

func (p *program) sealed() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		return p.file, nil
	}
	from, err := p.open()
	if err != nil {
		return nil, fmt.Errorf("the monitor's program: %w", err)
	}
	defer from.Close()
	file, err := launch.Seal(launch.Name, from)
	if err != nil {
		return nil, fmt.Errorf("the monitor's program: %w", err)
	}
	p.file = file
	return file, nil
}

func (p *program) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}
