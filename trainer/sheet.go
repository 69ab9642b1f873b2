package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"path/filepath"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"cull/internal/container"
	"cull/synth"
)

const (
	sheetGap    = 6       // pixels between cells
	sheetMargin = 10      // pixels around
	sheetLine   = 16      // height of a line of text
	sheetPixels = 1 << 26 // of all samples together; each takes eight bytes, image and score
	sweepSeeds  = 3       // samples of a sweep, side by side
	sweepRows   = 7
)

var (
	sheetPaper = color.RGBA{250, 250, 248, 255}
	sheetInk   = color.RGBA{30, 30, 34, 255}
)

func newSheet(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Rect, image.NewUniform(sheetPaper), image.Point{}, draw.Src)
	return img
}

// write sets text with its baseline at y.
func write(img draw.Image, x, y int, text string) {
	d := font.Drawer{
		Dst: img, Src: image.NewUniform(sheetInk), Face: basicfont.Face7x13, Dot: fixed.P(x, y),
	}
	d.DrawString(text)
}

// paste draws src with its top-left corner at (x, y).
func paste(img draw.Image, x, y int, src image.Image) {
	draw.Draw(img, src.Bounds().Add(image.Pt(x, y)), src, image.Point{}, draw.Src)
}

// heat maps scores 0..1 to black, violet, red, orange, white: lightness rises evenly.
func heat(m []float32, w, h int) *image.RGBA {
	stops := [...][3]float32{{8, 8, 16}, {84, 18, 110}, {190, 50, 84}, {250, 140, 20}, {252, 252, 200}}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, v := range m {
		t := max(0, min(v, 1)) * float32(len(stops)-1)
		k := min(int(t), len(stops)-2)
		for c := range 3 {
			a, b := stops[k][c], stops[k+1][c]
			img.Pix[4*i+c] = uint8(a + (t-float32(k))*(b-a) + 0.5)
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// drawSheet writes the contact sheet as a PNG.
func (j *synthJob) drawSheet(ctx context.Context, w io.Writer) error {
	img, err := j.contactSheet(ctx)
	if err != nil {
		return err
	}
	return png.Encode(w, img)
}

// contactSheet draws the first samples, each image above its formula score.
func (j *synthJob) contactSheet(ctx context.Context) (image.Image, error) {
	gens, err := j.generators(1)
	if err != nil {
		return nil, err
	}
	cols := min(j.count, 6)
	for cols*cols*2 < j.count {
		cols++
	}
	rows := (j.count + cols - 1) / cols
	cellW, cellH := j.size+sheetGap, 2*j.size+2+sheetGap
	img := newSheet(2*sheetMargin+cols*cellW-sheetGap, 2*sheetMargin+sheetLine+rows*cellH-sheetGap)
	write(img, sheetMargin, sheetMargin+10, fmt.Sprintf("seeds %d to %d: image above anomaly score",
		j.seed, j.seed+uint64(j.count)-1))
	var s synth.Sample
	for i := range j.count {
		if ctx.Err() != nil {
			return nil, errors.New("interrupted; nothing is kept")
		}
		if err := gens[0].Render(&s, j.seed+uint64(i)); err != nil {
			return nil, err
		}
		x := sheetMargin + i%cols*cellW
		y := sheetMargin + sheetLine + i/cols*cellH
		paste(img, x, y, rgbaOf(s.Image))
		paste(img, x, y+j.size+2, heat(s.Score, j.size, j.size))
	}
	return img, nil
}

// sweeps writes sweep-PARAMETER.png for the chosen parameter or all.
func (j *synthJob) sweeps(ctx context.Context, dir string) error {
	for _, p := range synth.Parameters() {
		if j.sweep != "all" && p.Name != j.sweep {
			continue
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted at the sweep of %s; nothing is kept", p.Name)
		}
		img, err := j.sweepSheet(p)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, "sweep-"+p.Name+".png")
		err = container.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
		if err != nil {
			return err
		}
	}
	return nil
}

// showcase is what a sweep shows unless the command line says otherwise: one plain defect in
// the middle of one surface, strong enough to see what changes.
var showcase = [][2]string{
	{"mean-x", "0.4:0.6"},
	{"mean-y", "0.4:0.6"},
	{"components", "2"},
	{"spread", "6"},
	{"elongated", "0"},
	{"rotation", "0"},
	{"rotation-jitter", "12"},
	{"sigma-x", "6"},
	{"sigma-y", "6"},
	{"mode", "additive"},
	{"amplitude", "0.45"},
	{"opacity", "0.8"},
	{"edge", "soft"},
	{"scene", "0"},
	{"contrast", "0.8"},
	{"level", "0.5"},
	{"defect-share", "1"},
	{"noise", "0.01"},
	{"light", "0.1"},
}

// sweepSheet draws one row for each value: image and score of the same seeds.
func (j *synthJob) sweepSheet(p synth.Parameter) (image.Image, error) {
	base := j.opts
	values := p.Sweep(&base, sweepRows)
	for _, s := range showcase {
		if !j.given[s[0]] && s[0] != p.Name {
			if err := base.Set(s[0], s[1]); err != nil {
				return nil, err
			}
		}
	}
	for i := 0; i < len(p.Needs); i += 2 {
		if p.Needs[i] == "source-share" && j.source == nil {
			continue // no picture to cut from: the row shows no change
		}
		if err := base.Set(p.Needs[i], p.Needs[i+1]); err != nil {
			return nil, err
		}
	}
	left := 0
	for _, v := range values {
		left = max(left, 7*len(v)+8)
	}
	title := fmt.Sprintf("%s: %s", p.Name, p.Doc)
	if p.Unit != "" {
		title += " (" + p.Unit + ")"
	}
	cell := j.size + 2
	wide := 2*sheetMargin + left + sweepSeeds*(2*cell+sheetGap)
	img := newSheet(max(wide, 2*sheetMargin+7*len(title)),
		2*sheetMargin+sheetLine+len(values)*(j.size+sheetGap))
	write(img, sheetMargin, sheetMargin+10, title)
	var s synth.Sample
	for row, v := range values {
		o := base
		if err := o.Set(p.Name, v); err != nil {
			return nil, err
		}
		g, err := synth.New(o, j.source)
		if err != nil {
			return nil, err
		}
		y := sheetMargin + sheetLine + row*(j.size+sheetGap)
		write(img, sheetMargin, y+j.size/2+4, v)
		for k := range sweepSeeds {
			if err := g.Render(&s, j.seed+uint64(k)); err != nil {
				return nil, err
			}
			x := sheetMargin + left + k*(2*cell+sheetGap)
			paste(img, x, y, rgbaOf(s.Image))
			paste(img, x+cell, y, heat(s.Score, j.size, j.size))
		}
	}
	return img, nil
}
