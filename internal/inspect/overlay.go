package inspect

import (
	"image"
	"image/color"
	"image/draw"

	"cull/infer/prep"
)

// Overlay returns img, a frame judged under plan, with the result's score map
// blended over it.
//
// The scale is fixed relative to the threshold t, so that pictures compare:
// transparent up to t/2, then green to yellow at t, then to red at 2t and above.
func Overlay(img image.Image, plan prep.Plan, r Result) (*image.RGBA, error) {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	src, dst, err := plan.Window(b.Dx(), b.Dy())
	if err != nil || !(r.Threshold > 0) {
		return out, err
	}
	// the whole input picture at the frame's resolution; src is its part x0, y0
	w := (plan.Width*src.Dx() + dst.Dx() - 1) / dst.Dx()
	h := (plan.Height*src.Dy() + dst.Dy() - 1) / dst.Dy()
	scores := make([]float32, w*h)
	r.Map.Resize(scores, h, w)
	x0 := dst.Min.X * src.Dx() / dst.Dx()
	y0 := dst.Min.Y * src.Dy() / dst.Dy()
	for y := range src.Dy() {
		for x := range src.Dx() {
			c, alpha := heat(scores[(y0+y)*w+x0+x] / r.Threshold)
			if alpha > 0 {
				p := out.RGBAAt(src.Min.X+x, src.Min.Y+y)
				out.SetRGBA(src.Min.X+x, src.Min.Y+y, blend(p, c, alpha))
			}
		}
	}
	return out, nil
}

// heat returns the colour and opacity, 0..1, of a score in units of the threshold.
func heat(v float32) (c color.RGBA, alpha float32) {
	switch {
	case !(v > 0.5):
		return color.RGBA{}, 0
	case v < 1: // green to yellow, up to a third
		return color.RGBA{uint8(255 * (2*v - 1)), 255, 0, 255}, (2*v - 1) / 3
	}
	v = min(v, 2) // yellow to red, up to two thirds
	return color.RGBA{255, uint8(255 * (2 - v)), 0, 255}, v / 3
}

func blend(p, c color.RGBA, alpha float32) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8(float32(a) + float32(alpha*(float32(b)-float32(a))) + 0.5) }
	return color.RGBA{mix(p.R, c.R), mix(p.G, c.G), mix(p.B, c.B), 255}
}
