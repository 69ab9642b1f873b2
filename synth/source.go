package synth

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // Open reads JPEG
	_ "image/png"  // and PNG
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cull/internal/exact"
)

// A Source is a set of real pictures of normal surfaces. Its methods are safe for
// concurrent use; what Texture(i) returns never changes.
type Source interface {
	Len() int
	Texture(i int) (*Texture, error)
}

// A Texture is a picture to cut crops from. Read-only.
type Texture struct {
	Class  string
	Tiles  bool // repeats without seams; otherwise it is mirrored at its border
	levels []Picture
}

// NewTexture prepares a picture of at least 2 x 2 pixels: it keeps p and halves it until
// its shorter side is below 32, so that small crops do not alias.
func NewTexture(p Picture, class string, tiles bool) *Texture {
	t := &Texture{Class: class, Tiles: tiles, levels: []Picture{p}}
	for p.W >= 64 && p.H >= 64 {
		p = half(p)
		t.levels = append(t.levels, p)
	}
	return t
}

// half averages 2 x 2 pixels, rounding to nearest.
func half(p Picture) Picture {
	q := Picture{W: p.W / 2, H: p.H / 2}
	q.Pix = make([]uint8, 3*q.W*q.H)
	for y := range q.H {
		a, b := p.Pix[3*2*y*p.W:], p.Pix[3*(2*y+1)*p.W:]
		for x := range q.W {
			for c := range 3 {
				i := 6*x + c
				q.Pix[3*(y*q.W+x)+c] = uint8((int(a[i]) + int(a[i+3]) + int(b[i]) + int(b[i+3]) + 2) / 4)
			}
		}
	}
	return q
}

// Limits of a picture file: its header is checked before anything is decoded.
const (
	minSide   = 16
	maxPixels = 1 << 26
	tileSide  = 140     // square pictures up to here are taken to tile, as material swatches do
	largeSide = 1024    // a picture is halved until its shorter side is below,
	longSide  = 1 << 14 // and its longer at most this: 16.16 coordinates fit 32 bits
)

// A Folder is the pictures of a directory tree, decoded when first used and then kept.
type Folder struct {
	root  string
	files []folderFile
}

type folderFile struct {
	path string // relative to the root, slashes
	once sync.Once
	t    *Texture
	err  error
}

// ErrNoPicture reports a folder without a PNG or JPEG.
var ErrNoPicture = errors.New("no PNG or JPEG picture")

// Open lists the .png, .jpg and .jpeg files below root in the order of their names, but for hidden ones. The
// class of a picture is its file name without extension and trailing number. root may be a symbolic link; one to a folder
// below it is an error, for what it holds would be missing, and so is a picture that is no file.
func Open(root string) (*Folder, error) {
	named := root
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	f := &Folder{root: root}
	var names []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != root && strings.HasPrefix(e.Name(), ".") { // what programs leave behind
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			return nil
		}
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			return fmt.Errorf("%s: a link to a folder is not followed: move the folder here", path)
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".png", ".jpg", ".jpeg":
			switch {
			case err != nil:
				return err
			case !info.Mode().IsRegular(): // a FIFO would be waited for
				return fmt.Errorf("%s: not a regular file", path)
			}
			rel, _ := filepath.Rel(root, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("synth: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("synth: %s: %w", named, ErrNoPicture)
	}
	slices.Sort(names)
	f.files = make([]folderFile, len(names))
	for i, n := range names {
		f.files[i].path = n
	}
	return f, nil
}

// Len returns the number of pictures.
func (f *Folder) Len() int { return len(f.files) }

// Name returns the path of a picture below the root.
func (f *Folder) Name(i int) string { return f.files[i].path }

// Class returns the class of a picture without reading it.
func (f *Folder) Class(i int) string { return className(f.files[i].path) }

// Texture reads a picture.
func (f *Folder) Texture(i int) (*Texture, error) {
	e := &f.files[i]
	e.once.Do(func() {
		path := filepath.Join(f.root, filepath.FromSlash(e.path))
		p, err := readPicture(path)
		if err != nil {
			e.err = fmt.Errorf("%s: %w", path, err)
			return
		}
		e.t = NewTexture(p, className(e.path), p.W == p.H && p.W <= tileSide)
	})
	return e.t, e.err
}

// className drops directory, extension and trailing number: "a/Asphalt_012.png" is "Asphalt".
func className(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = strings.TrimSuffix(name, filepath.Ext(name))
	short := strings.TrimRight(strings.TrimRight(name, "0123456789"), "_-. ")
	if short == "" {
		return name
	}
	return short
}

func readPicture(path string) (Picture, error) {
	file, err := os.Open(path)
	if err != nil {
		return Picture{}, errors.Unwrap(err) // the caller names the path
	}
	defer file.Close()
	return decode(file)
}

// A seeker is what decode reads twice: the header, then everything.
type seeker interface {
	Read([]byte) (int, error)
	Seek(int64, int) (int64, error)
}

func decode(r seeker) (Picture, error) {
	c, _, err := image.DecodeConfig(r)
	if err != nil {
		return Picture{}, err
	}
	if c.Width < minSide || c.Height < minSide || c.Width > maxPixels/c.Height {
		return Picture{}, fmt.Errorf("%dx%d pixels: sides must be at least %d, the product at most %d",
			c.Width, c.Height, minSide, maxPixels)
	}
	if _, err := r.Seek(0, 0); err != nil {
		return Picture{}, err
	}
	img, _, err := image.Decode(r)
	if err != nil {
		return Picture{}, err
	}
	p := toRGB(img)
	for min(p.W, p.H) >= largeSide || max(p.W, p.H) > longSide && min(p.W, p.H) >= 4 {
		p = half(p)
	}
	return p, nil
}

// toRGB converts to 8-bit RGB over black, row by row.
func toRGB(img image.Image) Picture {
	b := img.Bounds()
	p := Picture{W: b.Dx(), H: b.Dy()}
	p.Pix = make([]uint8, 3*p.W*p.H)
	row := image.NewRGBA(image.Rect(0, 0, p.W, 1))
	for y := range p.H {
		draw.Draw(row, row.Rect, image.Black, image.Point{}, draw.Src)
		draw.Draw(row, row.Rect, img, image.Pt(b.Min.X, b.Min.Y+y), draw.Over)
		out := p.Pix[3*y*p.W:]
		for x := range p.W {
			copy(out[3*x:3*x+3], row.Pix[4*x:4*x+3])
		}
	}
	return p
}

// crop cuts a turned and scaled piece of a texture: pixel (x, y) of the picture reads the
// texture at start + x (ux, uy) + y (vx, vy), in 1/65536 of a texel. Integer arithmetic.
func (g *Generator) crop(dst *planes, t *Texture, r *exact.Rand, s *Surface) {
	side := min(g.w, g.h)
	scale := r.LogRange(g.o.CropScale.Min, g.o.CropScale.Max)
	if !t.Tiles { // not more of the picture than there is
		whole := t.levels[0]
		scale = min(scale, float64(min(whole.W, whole.H))/float64(side))
	}
	angle := float64(float64(r.IntN(4)) * 90)
	if r.Float64() < g.o.AnyAngle {
		angle += r.Range(0, 90)
	}
	flip := 1 - 2*r.IntN(2)
	s.Scale, s.Angle = scale, angle
	level := 0
	for f := scale; f > 1.5 && level < len(t.levels)-1; f /= 2 {
		level++
	}
	p := &t.levels[level]
	k := scale * 65536 / float64(int(1)<<level)
	cs, sn := turn(angle)
	ux, uy := int(float64(k*cs)), int(float64(k*sn))
	vx, vy := -uy*flip, ux*flip
	x0, y0 := r.IntN(p.W<<16), r.IntN(p.H<<16)
	x0 -= ux*g.w/2 + vx*g.h/2
	y0 -= uy*g.w/2 + vy*g.h/2
	wrapX, wrapY := wrapper(p.W, t.Tiles), wrapper(p.H, t.Tiles)
	i := 0
	for y := range g.h {
		tx, ty := x0+y*vx, y0+y*vy
		for range g.w {
			ix, iy := tx>>16, ty>>16
			fx, fy := tx&0xffff>>8, ty&0xffff>>8
			xa, xb := wrapX.at(ix), wrapX.at(ix+1)
			ya, yb := wrapY.at(iy)*p.W, wrapY.at(iy+1)*p.W
			a, b := p.Pix[3*(ya+xa):][:3], p.Pix[3*(ya+xb):][:3]
			c, d := p.Pix[3*(yb+xa):][:3], p.Pix[3*(yb+xb):][:3]
			for ch := range 3 {
				top := int(a[ch])<<8 + fx*(int(b[ch])-int(a[ch]))
				low := int(c[ch])<<8 + fx*(int(d[ch])-int(c[ch]))
				dst[ch][i] = float32(top<<8+fy*(low-top)) * (1. / (255 << 16))
			}
			i++
			tx += ux
			ty += uy
		}
	}
}

// A wrap brings an index into 0..n-1 by repeating or mirroring.
type wrap struct {
	n, period int
}

func wrapper(n int, tiles bool) wrap {
	if tiles {
		return wrap{n, n}
	}
	return wrap{n, 2 * n}
}

func (w wrap) at(i int) int {
	if uint(i) < uint(w.n) {
		return i
	}
	i %= w.period
	if i < 0 {
		i += w.period
	}
	if i >= w.n {
		return w.period - 1 - i
	}
	return i
}
