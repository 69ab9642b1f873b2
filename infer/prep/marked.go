package prep

import (
	"image"

	"cull/capture"
)

// Chroma returns how many pixels across and down a chroma sample of frames like the one last applied may be. Of a JPEG they
// are at least 2 x 2: a camera or a folder may give grey ones, and finer ones, and then those. Of RGB24 too: so pictures are kept
// of YUYV and NV12 frames, and the frames are judged.
func (p *Prep) Chroma() image.Point {
	if p.format == capture.MJPEG || p.format == capture.RGB24 {
		return image.Pt(max(2, p.key.subX), max(2, p.key.subY))
	}
	return image.Pt(p.key.subX, p.key.subY)
}

// Marked returns which pixels of the input picture, [Height][Width], marked pixels of the frame last applied,
// [height][width], or of one whose chroma is as Chroma says have a share in: those whose filter reaches one, in any plane.
// Where chroma is coarser that is farther.
func (p *Prep) Marked(marked []bool) []bool {
	w, h := p.key.width, p.key.height
	sub := p.Chroma()
	across := reach(&p.x[0], p.src.Min.X, p.src.Max.X, sub.X, w)
	down := reach(&p.y[0], p.src.Min.Y, p.src.Max.Y, sub.Y, h)
	inRow := make([][]bool, h) // [h][dst.Dx()]: a marked pixel within reach along the row; nil where there is none
	before := make([]int, w+1) // how many marked pixels are left of each
	for y := range inRow {
		for x, m := range marked[y*w:][:w] {
			before[x+1] = before[x]
			if m {
				before[x+1]++
			}
		}
		if before[w] == 0 {
			continue
		}
		inRow[y] = make([]bool, len(across))
		for x, s := range across {
			inRow[y][x] = before[s.hi] > before[s.lo]
		}
	}
	out := make([]bool, p.plan.Width*p.plan.Height)
	for y, s := range down {
		row := out[(p.dst.Min.Y+y)*p.plan.Width+p.dst.Min.X:][:len(across)]
		for _, in := range inRow[s.lo:s.hi] {
			for x, m := range in {
				row[x] = row[x] || m
			}
		}
	}
	return out
}

// A span is pixels lo to hi-1 of a frame, along one direction.
type span struct{ lo, hi int }

// reach returns the pixels of the frame, n in all, that each output of full, which scales lo to hi, reads, or that of a plane
// with a sample for every sub of them.
func reach(full *axis, lo, hi, sub, n int) []span {
	chroma := newAxis(lo, hi, sub, (n+sub-1)/sub, len(full.first))
	spans := make([]span, len(full.first))
	for i := range spans {
		first, last := int(full.first[i]), int(full.first[i]+full.count[i])
		spans[i] = span{
			min(first, sub*int(chroma.first[i])),
			min(n, max(last, sub*int(chroma.first[i]+chroma.count[i]))),
		}
	}
	return spans
}
