package prep

import (
	_ "embed"
	"image"
	"testing"

	"cull/capture"
)

//go:embed testdata/pil.bin
var pil []byte

// TestResizeEqualsPIL: training pipelines in Python and the line see the same
// picture. PIL rounds its weights from floating point, so one level may differ.
func TestResizeEqualsPIL(t *testing.T) {
	pix := make([]byte, 40*28)
	for i := range pix {
		x, y := i%40, i/40
		pix[i] = byte(7*x + 13*y + 3*x*y)
	}
	f := &capture.Frame{Pix: pix, Format: capture.Grey, Width: 40, Height: 28, Stride: 40}
	want := pil
	differ, total := 0, 0
	for _, plan := range []Plan{
		{Width: 11, Height: 9},
		{Width: 64, Height: 50},
		{Width: 16, Height: 16, Region: image.Rect(5, 3, 33, 25)},
	} {
		got := apply(t, plan, f)
		for i := range plan.Width * plan.Height {
			d := int(got[3*i]) + 128 - max(int(want[i]), 1)
			if d < -1 || d > 1 {
				t.Fatalf("%dx%d: pixel %d: %d, want %d", plan.Width, plan.Height, i, int(got[3*i])+128, want[i])
			}
			total++
			if d != 0 {
				differ++
			}
		}
		want = want[plan.Width*plan.Height:]
	}
	if 20*differ > total {
		t.Errorf("%d of %d pixels differ", differ, total)
	}
}
