// Package replay is a Source of pictures on disk.
package replay

import (
	"context"
	"io"

	"cull/capture"
	"cull/internal/imagefile"
)

// Files is a Source of image files, each delivered once, in order. Frames are
// read when they are asked for and own their bytes. Their Mono is zero: a file
// does not know when it was exposed.
type Files struct {
	paths []string
	next  int
}

// Open returns the image files in the folder dir, by name.
func Open(dir string) (*Files, error) {
	paths, err := imagefile.List(dir)
	if err != nil {
		return nil, err
	}
	return New(paths), nil
}

// New returns a source of the image files at paths.
func New(paths []string) *Files { return &Files{paths: paths} }

// Path is the file of picture i, counted from 0.
func (f *Files) Path(i int) string { return f.paths[i] }

// Len returns the number of files not yet delivered.
func (f *Files) Len() int { return len(f.paths) - f.next }

// Next returns the next file's picture, io.EOF after the last. A file that
// cannot be read is an error once; the Next after it goes on with the next file.
func (f *Files) Next(ctx context.Context) (*capture.Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Len() <= 0 {
		return nil, io.EOF
	}
	path := f.paths[f.next]
	f.next++
	frame, err := imagefile.Read(path)
	if err != nil {
		return nil, err
	}
	frame.Seq = uint32(f.next - 1)
	return frame, nil
}

// Close ends the source: Next returns io.EOF.
func (f *Files) Close() error {
	f.next = len(f.paths)
	return nil
}
