package main

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"path/filepath"

	"golang.org/x/image/draw"

	"cull/capture"
	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/dataset"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/synth"
	"cull/trainer/internal/report"
	"cull/trainer/internal/table"
)

const (
	mapSide    = 160 // longer side of a heat map in the report, pixels
	mapsOfKind = 1   // heat maps of each kind of test picture
	mapsOfCell = 5   // of a row and category
)

// maps collects heat maps for the report.
type maps struct {
	size   int
	sheets []report.Sheet
	count  map[string]int
}

// add keeps the first picture of each kind.
func (m *maps) add(row, category string, it dataset.Item, f *capture.Frame, r inspect.Result) error {
	cell := row + "\x00" + category
	kind := cell + "\x00" + it.Kind
	if m.count[kind] >= mapsOfKind || m.count[cell] >= mapsOfCell {
		return nil
	}
	img, err := imagefile.Image(f)
	if err != nil {
		return err
	}
	over, err := inspect.Overlay(img, prep.Plan{Width: m.size, Height: m.size}, r)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, shrink(over), &jpeg.Options{Quality: 85}); err != nil {
		return err
	}
	m.count[kind]++
	m.count[cell]++
	title := "Heat maps: " + category
	i := 0
	for i < len(m.sheets) && m.sheets[i].Title != title {
		i++
	}
	if i == len(m.sheets) {
		m.sheets = append(m.sheets, report.Sheet{Title: title})
	}
	m.sheets[i].Pictures = append(m.sheets[i].Pictures, report.Picture{
		Caption: fmt.Sprintf("%s: %s, %.2f of the threshold", row, it.Kind, r.Score/r.Threshold),
		Media:   "image/jpeg", Data: b.Bytes(),
	})
	return nil
}

func shrink(img image.Image) image.Image {
	b := img.Bounds()
	k := max(b.Dx(), b.Dy())
	if k <= mapSide {
		return img
	}
	dst := image.NewRGBA(image.Rect(0, 0, max(1, b.Dx()*mapSide/k), max(1, b.Dy()*mapSide/k)))
	draw.ApproxBiLinear.Scale(dst, dst.Bounds(), img, b, draw.Src, nil)
	return dst
}

// sweep draws how a parameter of the defects changes them.
func sweep(name string) (report.Sheet, error) {
	sheet := report.Sheet{Title: "Synthetic defects: one parameter changed"}
	for _, p := range synth.Parameters() {
		if p.Name != name {
			continue
		}
		job := synthJob{opts: synth.Defaults(mapSide, mapSide), size: mapSide, seed: 1, sweep: name}
		img, err := job.sweepSheet(p)
		if err != nil {
			return sheet, err
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			return sheet, err
		}
		sheet.Pictures = append(sheet.Pictures, report.Picture{Caption: p.Doc, Media: "image/png", Data: b.Bytes()})
	}
	return sheet, nil
}

// writeReport writes report.html.
func (j *tableJob) writeReport(t *table.Table, m *maps) error {
	s, err := sweep("sigma-y")
	if err != nil {
		return err
	}
	sheets := append(append([]report.Sheet(nil), m.sheets...), s)
	return container.Write(filepath.Join(j.out, "report.html"), func(w io.Writer) error {
		return report.Write(w, t, sheets)
	})
}
