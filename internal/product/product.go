// Package product reads and writes .product files: everything a line needs to
// judge one kind of part with one network. doc/format-product.md gives the
// format byte by byte.
package product

import (
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"math"
	"time"

	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/light"
	"cull/internal/mirror"
	"cull/padim"
)

// The .product format.
const (
	Kind    = "product"
	Version = 6 // 1 had no maps of colour and spots, 2 other colours, 3 no lines, 4 took light as it came, 5 any frame

	MaxGoldens = 32

	maxName   = 64
	maxParts  = 1 << 20
	maxPixels = 1 << 26 // bytes of all golden pictures
)

// ErrOtherNet reports a product that was taught on another network.
var ErrOtherNet = errors.New("taught on another network: teach it again or load its own network")

// ErrOlder reports a product of an earlier version, which says too little or has other features.
var ErrOlder = errors.New("taught by an earlier version of cull: teach it again")

// A Product is what was taught about one kind of part.
type Product struct {
	Net     [32]byte         // digest of the .net file whose features it was taught on
	Frame   image.Point      // size of the good parts' frames, pixels
	Plan    prep.Plan        // how a frame becomes the network's input
	Model   *padim.Model     // its Input is the plan's size
	Report  padim.Report     // how it was taught, with the threshold
	Light   *light.Reference // that pictures are brought into, nil: none
	Mirrors []mirror.Mirror  // in which the good parts were taught too, ascending
	Created time.Time        // UTC, whole seconds
	Goldens []Golden

	digest  [32]byte
	release func() error // of the file that Model aliases, nil where it does not
}

// A Golden is a picture with the result it must give, to the bit, wherever the
// product runs.
type Golden struct {
	Name    string
	Picture []int8 // [Height][Width][3] of the plan, -127..127
	Score   float32
	Verdict padim.Verdict
}

// Digest returns the digest of the file the product was parsed from or last
// encoded to, zero before either.
func (p *Product) Digest() [32]byte { return p.digest }

// Gate returns the gate at the product's threshold.
func (p *Product) Gate() padim.Gate { return padim.Gate{Threshold: p.Report.Threshold.Value} }

// CheckNet returns an error wrapping ErrOtherNet unless p was taught on net.
func (p *Product) CheckNet(net [32]byte) error {
	if p.Net == net {
		return nil
	}
	return fmt.Errorf("product: network %s…, this is %s…: %w",
		hex.EncodeToString(p.Net[:6]), hex.EncodeToString(net[:6]), ErrOtherNet)
}

// Open reads a .product file for use with the network of that digest.
func Open(path string, net [32]byte) (*Product, error) {
	p, err := Read(path)
	if err != nil {
		return nil, err
	}
	if err := p.CheckNet(net); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (file %s)", err, path), p.Close())
	}
	return p, nil
}

// Read reads a .product file, whatever network it belongs to. The whitening factors
// stay where container.Open put them until Close.
func Read(path string) (*Product, error) {
	b, release, err := container.Open(path)
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	p, err := Parse(b)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w (file %s)", err, path), release())
	}
	p.release = release
	return p, nil
}

// Close gives back the memory of a product that Read or Open returned. Nothing may use
// the product or its model afterwards. A program that ends with its product need not call it.
func (p *Product) Close() error {
	if p.release == nil {
		return nil
	}
	release := p.release
	p.release = nil
	return release()
}

// WriteFile writes p to path, all or nothing.
func (p *Product) WriteFile(path string) error {
	b, err := p.Encode()
	if err != nil {
		return err
	}
	return container.WriteFile(path, b)
}

// check reports what makes p no product.
func (p *Product) check() error {
	if err := p.Plan.Validate(); err != nil {
		return err
	}
	if f := p.Frame; f.X < 1 || f.X > prep.MaxFrame || f.Y < 1 || f.Y > prep.MaxFrame {
		return fmt.Errorf("frames of %dx%d", f.X, f.Y)
	}
	if _, _, err := p.Plan.Window(p.Frame.X, p.Frame.Y); err != nil {
		return err
	}
	if p.Model == nil {
		return errors.New("no model")
	}
	if h, w := p.Model.Input(); h != p.Plan.Height || w != p.Plan.Width {
		return fmt.Errorf("model of %dx%d pictures, plan of %dx%d", w, h, p.Plan.Width, p.Plan.Height)
	}
	if p.Report.Mode != p.Model.Mode() {
		return fmt.Errorf("report of mode %v, model of mode %v", p.Report.Mode, p.Model.Mode())
	}
	if p.Light != nil {
		if err := p.Light.Check(p.Plan.Width, p.Plan.Height); err != nil {
			return err
		}
	}
	for i, m := range p.Mirrors {
		if int(m) >= len(mirror.All) || i > 0 && m <= p.Mirrors[i-1] {
			return fmt.Errorf("mirrors %v: want known ones, each once, in order", p.Mirrors)
		}
	}
	if p.Created.Year() < 1970 || p.Created.Year() > 9999 {
		return fmt.Errorf("created in the year %d", p.Created.Year())
	}
	if err := p.checkThreshold(); err != nil {
		return err
	}
	return p.checkGoldens()
}

func (p *Product) checkThreshold() error {
	t, n := p.Report.Threshold, p.Report.Parts
	switch {
	case n < padim.MinParts || n > maxParts || len(p.Report.Scores) != n || t.Parts != n:
		return fmt.Errorf("%d parts, %d scores, threshold from %d", n, len(p.Report.Scores), t.Parts)
	case t.Rank < 1 || t.Rank > n+1 || (t.Rank > n) != (t.Method == padim.Extrapolated):
		return fmt.Errorf("threshold of rank %d by method %v", t.Rank, t.Method)
	case !finite(t.Value) || t.Value < 0:
		return fmt.Errorf("threshold %g", t.Value)
	case !(t.Target > 0 && t.Target < 1):
		return fmt.Errorf("target false-reject rate %g", t.Target)
	case !(p.Report.Shrinkage >= 0 && p.Report.Shrinkage <= 1):
		return fmt.Errorf("shrinkage %g", p.Report.Shrinkage)
	}
	for i, s := range p.Report.Scores {
		if !finite(s) {
			return fmt.Errorf("score %d is %g", i, s)
		}
	}
	return nil
}

func (p *Product) checkGoldens() error {
	size := p.pictureSize()
	if n := len(p.Goldens); n > MaxGoldens || n*size > maxPixels {
		return fmt.Errorf("%d golden pictures of %d bytes: at most %d, %d bytes in all",
			n, size, MaxGoldens, maxPixels)
	}
	for i, g := range p.Goldens {
		if g.Name == "" || len(g.Name) > maxName {
			return fmt.Errorf("golden %d: name of %d bytes: want 1 to %d", i, len(g.Name), maxName)
		}
		if len(g.Picture) != size {
			return fmt.Errorf("golden %d (%s): %d bytes, the plan's picture has %d", i, g.Name, len(g.Picture), size)
		}
		if g.Verdict != p.Gate().Decide(padim.Result{Score: g.Score}) || !finite(g.Score) {
			return fmt.Errorf("golden %d (%s): score %g does not give %v", i, g.Name, g.Score, g.Verdict)
		}
	}
	return nil
}

func (p *Product) pictureSize() int { return p.Plan.Height * p.Plan.Width * 3 }

func finite(v float32) bool { return math.Abs(float64(v)) <= math.MaxFloat32 }
