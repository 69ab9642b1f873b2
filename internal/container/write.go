package container

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile makes b the contents of path as Write does.
func WriteFile(path string, b []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Write makes what write writes the contents of path, all or nothing: a temporary file in
// the same folder is written, flushed to disk and renamed, then the folder is
// flushed. After an error, which may be write's own, path holds what it held before, unless the disk fails in that last
// flush. What is there and no file, a folder or a device, is never replaced; of a symbolic link, the file that it names is.
func Write(path string, write func(io.Writer) error) (err error) {
	named := func(err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("container: write %s: %w", path, cause(err))
	}
	file, folder, tmp, err := begin(path)
	if err != nil {
		return named(err)
	}
	defer folder.Close() //nolint:errcheck // it was only flushed
	defer func() {
		if err != nil {
			tmp.Close() //nolint:errcheck // closed already, or given up
			os.Remove(tmp.Name())
		}
	}()
	w := bufio.NewWriter(writer(func(b []byte) (int, error) {
		n, err := tmp.Write(b)
		return n, named(err)
	}))
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := publish(tmp, file, folder); err != nil {
		return named(err)
	}
	return nil
}

// A writer is a function that writes.
type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// CanWrite returns the error that WriteFile would fail with as the folder of path is now, for
// commands to ask before their work.
func CanWrite(path string) error {
	_, folder, tmp, err := begin(path)
	if err == nil {
		err = errors.Join(folder.Close(), tmp.Close(), os.Remove(tmp.Name()))
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, cause(err))
	}
	return nil
}

// begin returns the file that a write to path makes, its folder, and a temporary file in that. The folder is opened first: one that
// may not be read cannot be flushed, and after the rename it is too late.
func begin(path string) (file string, folder, tmp *os.File, err error) {
	if err := replaceable(path); err != nil {
		return "", nil, nil, err
	}
	file = behindLinks(path)
	if folder, err = os.Open(filepath.Dir(file)); err != nil {
		return "", nil, nil, err
	}
	if tmp, err = temporary(file); err != nil {
		folder.Close() //nolint:errcheck // nothing was done in it
		return "", nil, nil, err
	}
	return file, folder, tmp, nil
}

func replaceable(path string) error {
	switch info, err := os.Stat(path); {
	case err != nil: // most likely it is not there; temporary says what else is wrong
		return nil
	case info.IsDir():
		return errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	return nil
}

// behindLinks returns the file that a symbolic link names, and any other path as it is.
func behindLinks(path string) string {
	if file, err := filepath.EvalSymlinks(path); err == nil {
		return file
	}
	return path
}

func temporary(path string) (*os.File, error) {
	base := filepath.Base(path)
	return os.CreateTemp(filepath.Dir(path), "."+base[:min(len(base), 200)]+".*.tmp") // names have 255 bytes at most
}

// publish flushes tmp to disk, closes it and makes it path, in folder.
func publish(tmp *os.File, path string, folder *os.File) error {
	err := tmp.Chmod(0o644)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return err
	}
	return folder.Sync()
}

// cause strips the temporary file's name, which helps nobody.
func cause(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
