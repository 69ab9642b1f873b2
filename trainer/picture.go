package main

import (
	"image"

	"golang.org/x/image/draw"

	"cull/internal/imagefile"
)

// pictures returns n pictures below dir, evenly spread over their names, fewer where there
// are fewer: [size][size][3] bytes R, G, B.
func pictures(dir string, size, n int) ([][]uint8, error) {
	paths, err := imagefile.Tree(dir)
	if err != nil {
		return nil, err
	}
	n = min(n, len(paths))
	all := make([][]uint8, n)
	for i := range all {
		f, err := imagefile.Read(paths[i*len(paths)/n])
		if err != nil {
			return nil, err
		}
		img, err := imagefile.Image(f)
		if err != nil {
			return nil, err
		}
		all[i] = square(img, size)
	}
	return all, nil
}

// square is the middle of a picture, its shorter side shrunk to size; a smaller
// picture is repeated instead, so that its grain stays.
func square(img image.Image, size int) []uint8 {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	middle := image.Rect(0, 0, side, side).Add(b.Min).Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	tile := min(side, size)
	dst := image.NewRGBA(image.Rect(0, 0, tile, tile))
	draw.BiLinear.Scale(dst, dst.Bounds(), img, middle, draw.Src, nil)
	out := make([]uint8, 0, 3*size*size)
	for y := range size {
		for x := range size {
			p := dst.Pix[dst.PixOffset(x%tile, y%tile):]
			out = append(out, p[0], p[1], p[2])
		}
	}
	return out
}
