package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bayplan/bayplan/nodes/native/bundle"
	"github.com/bayplan/bayplan/nodes/native/raze"
)

// The files of a folder that both sides write or read.
const (
	configFile  = "config.json"
	startedFile = "started.json"
	exitFile    = "exit.json"
	socketFile  = "control.sock"
	logDir      = "log"
)

// own are the directories of a folder for the container's own layer. The upper
// one's mode is that of the container's root.
var own = []struct {
	name string
	mode fs.FileMode
}{{"upper", 0o755}, {"work", 0o700}, {"run", 0o700}, {logDir, 0o700}}

// make makes the folder whole under a name of the future and renames it.
func (n names) make(folder string, config []byte) error {
	tmp := filepath.Join(n.dir, containersDir, newPrefix+folder)
	if err := raze.All(tmp); err != nil {
		return err
	}
	err := fill(tmp, config)
	if err == nil {
		err = os.Rename(tmp, n.path(folder))
	}
	if err != nil {
		return errors.Join(err, raze.All(tmp))
	}
	return nil
}

func fill(dir string, config []byte) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, d := range own {
		if err := makeDir(filepath.Join(dir, d.name), d.mode); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, configFile), config, 0o600)
}

// makeDir makes a directory of that very mode, whatever the umask says.
func makeDir(path string, mode fs.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// renew brings a folder that is there up to date for its next life. The
// container's own layer stays, unless it lies on another image now.
func (n names) renew(folder string, config []byte, anotherImage bool) error {
	dir := n.path(folder)
	if anotherImage {
		if err := clearOwn(dir); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, configFile)
	if err := os.WriteFile(path+".tmp", config, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

func readConfig(dir string) (bundle.Config, error) {
	var c bundle.Config
	b, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", configFile, err)
	}
	c.Files = nil // as after [Runtime.write]
	return c, nil
}

// readStarted is the last life that began; nil if none did.
func readStarted(dir string) *bundle.Started {
	started, _ := readRecord(dir)
	return started
}

// readExit is the last end that somebody saw; nil if there was none.
func readExit(dir string) *bundle.Exit {
	exit := readJSON[bundle.Exit](dir, exitFile)
	if _, noted := readRecord(dir); noted != nil && (exit == nil || exit.Life < noted.Life) {
		return noted
	}
	return exit
}

// readRecord is what the monitor's record says: of a life, and of its end where
// there was no room for another file.
func readRecord(dir string) (*bundle.Started, *bundle.Exit) {
	b, err := os.ReadFile(filepath.Join(dir, startedFile))
	if err != nil {
		return nil, nil
	}
	record, started, exit := json.NewDecoder(bytes.NewReader(b)), new(bundle.Started), new(bundle.Exit)
	if record.Decode(started) != nil {
		return nil, nil
	}
	if record.Decode(exit) != nil {
		return started, nil
	}
	return started, exit
}

// readJSON takes a file that is cut short, as by a power cut, for none.
func readJSON[T any](dir, name string) *T {
	b, err := os.ReadFile(filepath.Join(dir, name))
	v := new(T)
	if err != nil || json.Unmarshal(b, v) != nil {
		return nil
	}
	return v
}

func writeJSON(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// locked is whether a monitor is at work in the folder.
func locked(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, startedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
