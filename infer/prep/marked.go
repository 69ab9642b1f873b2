package prep

// Marked returns which pixels of the input picture, [Height][Width], marked pixels of the frame last applied,
// [height][width], have a share in: those whose filter reaches one, in any plane. Where chroma is coarser that is farther.
func (p *Prep) Marked(marked []bool) []bool {
	w, h := p.key.width, p.key.height
	across := reach(&p.x, p.key.subX, w)
	down := reach(&p.y, p.key.subY, h)
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

// reach returns the pixels of the frame that each output of the axes of full and chroma planes reads, n in all.
func reach(axes *[2]axis, sub, n int) []span {
	full, chroma := &axes[0], &axes[1]
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
