// Package pictures makes synth sources of chosen picture files, with a class each.
package pictures

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"cull/internal/imagefile"
	"cull/synth"
)

// A Set is picture files to cut normal surfaces from, decoded when first used and then
// kept. It is a synth.Source.
type Set struct {
	names []string // of the classes, sorted
	files []file
}

type file struct {
	path  string
	class int
	once  sync.Once
	t     *synth.Texture
	err   error
}

// A File names a picture and its class.
type File struct{ Path, Class string }

// New returns the set of files in their order.
func New(files []File) (*Set, error) {
	if len(files) == 0 {
		return nil, fmt.Errorf("pictures: %w", imagefile.ErrNone)
	}
	s := &Set{files: make([]file, len(files))}
	for _, f := range files {
		s.names = append(s.names, f.Class)
	}
	slices.Sort(s.names)
	s.names = slices.Compact(s.names)
	for i, f := range files {
		s.files[i].path = f.Path
		s.files[i].class, _ = slices.BinarySearch(s.names, f.Class)
	}
	return s, nil
}

// Open returns the pictures below root in the order of their paths; the class of each is
// the folder it is in.
func Open(root string) (*Set, error) {
	paths, err := imagefile.Tree(root)
	if err != nil {
		return nil, fmt.Errorf("pictures: %w", err)
	}
	files := make([]File, len(paths))
	for i, path := range paths {
		files[i] = File{path, filepath.Dir(path)}
	}
	return New(files)
}

// Len is the number of pictures.
func (s *Set) Len() int { return len(s.files) }

// Name is the file of picture i.
func (s *Set) Name(i int) string { return s.files[i].path }

// Classes is their number of classes.
func (s *Set) Classes() int { return len(s.names) }

// Class is the class of picture i, counted from 0.
func (s *Set) Class(i int) int { return s.files[i].class }

// tileSide: square pictures up to here are taken to tile, as in synth.Open.
const (
	tileSide = 140
	longest  = 1 << 13 // pixels a side
)

// Texture reads picture i.
func (s *Set) Texture(i int) (*synth.Texture, error) {
	f := &s.files[i]
	f.once.Do(func() { f.t, f.err = read(f.path, s.names[f.class]) })
	return f.t, f.err
}

func read(path, class string) (*synth.Texture, error) {
	frame, err := imagefile.Read(path)
	if err != nil {
		return nil, err
	}
	img, err := imagefile.Image(frame)
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	if b.Dx() < 16 || b.Dy() < 16 || b.Dx() > longest || b.Dy() > longest {
		return nil, fmt.Errorf("pictures: %s: %dx%d pixels, want 16 to %d a side", path, b.Dx(), b.Dy(), longest)
	}
	p := synth.Picture{W: b.Dx(), H: b.Dy(), Pix: make([]uint8, 0, 3*b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, _ := img.At(x, y).RGBA()
			p.Pix = append(p.Pix, uint8(r>>8), uint8(g>>8), uint8(bl>>8))
		}
	}
	return synth.NewTexture(p, class, p.W == p.H && p.W <= tileSide), nil
}
