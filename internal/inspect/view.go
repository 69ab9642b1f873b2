package inspect

import (
	"cull/infer/prep"
	"cull/internal/light"
)

// A view makes of an input picture what features are taken from, in teaching and on the line alike: the
// light of the good parts, and nothing where cells are ignored.
type view struct {
	normal      *light.Normaliser // nil: none
	width, cell int               // of a picture and of a grid cell, pixels
	ignored     []bool            // nil: none
}

func newView(ref *light.Reference, plan prep.Plan, ignored []bool, cell int) *view {
	v := &view{width: plan.Width, cell: cell, ignored: ignored}
	if ref != nil {
		v.normal = light.NewNormaliser(ref, plan.Width, plan.Height, ignored, cell)
	}
	return v
}

func (v *view) see(pic []int8) {
	if v.normal != nil {
		v.normal.Normalise(pic)
	}
	hide(pic, v.width, v.cell, v.ignored)
}

// hide makes the cells of a picture that mask ignores grey, all of them alike: what changes there, a label or a hole, would
// reach the features of the cells around it.
func hide(pic []int8, width, cell int, mask []bool) {
	for i, ignored := range mask {
		if !ignored {
			continue
		}
		across := width / cell
		for y := range cell {
			clear(pic[3*((i/across*cell+y)*width+i%across*cell):][:3*cell])
		}
	}
}
