package prep

import "cull/infer/internal/pixel"

// Coefficients of BT.601 in 1/65536.
var (
	// R = 1.164383 (Y-16) + 1.596027 (Cr-128)
	// G = 1.164383 (Y-16) - 0.391762 (Cb-128) - 0.812968 (Cr-128)
	// B = 1.164383 (Y-16) + 2.017232 (Cb-128)
	bt601Limited = pixel.Matrix{Black: 16, Y: 76309, RCr: 104597, GCb: -25675, GCr: -53279, BCb: 132201}

	// R = Y + 1.402 (Cr-128)
	// G = Y - 0.344136 (Cb-128) - 0.714136 (Cr-128)
	// B = Y + 1.772 (Cb-128)
	bt601Full = pixel.Matrix{Black: 0, Y: 65536, RCr: 91881, GCb: -22553, GCr: -46802, BCb: 116130}
)

// colour turns the resampled planes into dst's window, pixel - 128.
func (p *Prep) colour(dst []int8, model colourModel) {
	w := p.dst.Dx()
	for r := range p.dst.Dy() {
		row := dst[((p.dst.Min.Y+r)*p.plan.Width+p.dst.Min.X)*3:][:w*3]
		var c [3][]uint8
		for i := range c {
			c[i] = p.out[i][r*p.width:][:p.width]
		}
		switch model {
		case grey:
			c[1], c[2] = c[0], c[0]
		case limited:
			bt601Limited.RGB(c[0], c[1], c[2])
		case fullRange:
			bt601Full.RGB(c[0], c[1], c[2])
		}
		pixel.Interleave(row, c[0][:w], c[1][:w], c[2][:w])
	}
}
