package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile makes b the contents of path, all or nothing: a temporary file in
// the same folder is written, flushed to disk and renamed, then the folder is
// flushed. After an error path holds what it held before.
func WriteFile(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("container: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("container: write %s: %w", path, err)
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("container: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("container: %w", err)
	}
	if err = errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("container: flush %s: %w", dir, err)
	}
	return nil
}
