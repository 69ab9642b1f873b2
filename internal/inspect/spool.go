package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"cull/padim"
)

// A spool keeps the feature maps of good parts in a temporary file that has no
// name, so that teaching runs the network once a part in constant memory and
// leaves nothing behind, whatever happens. It is padim.Samples.
type spool struct {
	file *os.File
	out  *bufio.Writer
	maps []padim.Map // shapes and steps of every sample, Data the read buffers
	n    int
	size int64 // bytes a sample

	interrupted func() error   // ends Each; never nil
	each        func(done int) // where not nil, is told by Each of every sample
}

// errShape reports an extractor that changed its mind.
var errShape = errors.New("feature maps changed their shape")

// newSpool makes the file in dir.
func newSpool(dir string, interrupted func() error) (*spool, error) {
	f, err := os.CreateTemp(dir, ".cull-teach-*")
	if err != nil {
		return nil, fmt.Errorf("inspect: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("inspect: %w", errors.Join(err, f.Close()))
	}
	return &spool{file: f, out: bufio.NewWriterSize(f, 1<<16), interrupted: interrupted}, nil
}

func (s *spool) close() error { return s.file.Close() }

// add appends one sample.
func (s *spool) add(maps []padim.Map) error {
	if s.maps == nil {
		for _, m := range maps {
			m.Data, m.Step = make([]int8, len(m.Data)), append([]float32(nil), m.Step...)
			s.maps = append(s.maps, m)
			s.size += int64(len(m.Data))
		}
	}
	if len(maps) != len(s.maps) {
		return fmt.Errorf("inspect: part %d: %w", s.n, errShape)
	}
	for i, m := range maps {
		if len(m.Data) != len(s.maps[i].Data) {
			return fmt.Errorf("inspect: part %d: stage %d: %w", s.n, i, errShape)
		}
		if _, err := s.out.Write(bytesOf(m.Data)); err != nil {
			return fmt.Errorf("inspect: feature maps on disk: %w", err)
		}
	}
	s.n++
	return nil
}

// Len returns the number of samples.
func (s *spool) Len() int { return s.n }

// Each hands out every sample.
func (s *spool) Each(f func(i int, maps []padim.Map) error) error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("inspect: feature maps on disk: %w", err)
	}
	at := int64(0)
	for i := range s.n {
		if err := s.interrupted(); err != nil {
			return err
		}
		for _, m := range s.maps {
			if _, err := s.file.ReadAt(bytesOf(m.Data), at); err != nil {
				return fmt.Errorf("inspect: feature maps on disk: %w", err)
			}
			at += int64(len(m.Data))
		}
		if err := f(i, s.maps); err != nil {
			return err
		}
		if s.each != nil {
			s.each(i + 1)
		}
	}
	return nil
}

// bytesOf returns the memory of v as bytes.
func bytesOf(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}
