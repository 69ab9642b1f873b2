package prep

// Coefficients of BT.601 in 1/65536.
var (
	// R = 1.164383 (Y-16) + 1.596027 (Cr-128)
	// G = 1.164383 (Y-16) - 0.391762 (Cb-128) - 0.812968 (Cr-128)
	// B = 1.164383 (Y-16) + 2.017232 (Cb-128)
	bt601Limited = matrix{black: 16, y: 76309, rCr: 104597, gCb: -25675, gCr: -53279, bCb: 132201}

	// R = Y + 1.402 (Cr-128)
	// G = Y - 0.344136 (Cb-128) - 0.714136 (Cr-128)
	// B = Y + 1.772 (Cb-128)
	bt601Full = matrix{black: 0, y: 65536, rCr: 91881, gCb: -22553, gCr: -46802, bCb: 116130}
)

type matrix struct{ black, y, rCr, gCb, gCr, bCb int32 }

// colour interleaves the resampled planes into dst's window, pixel - 128.
func (p *Prep) colour(dst []int8, model colourModel) {
	w := p.dst.Dx()
	for r := range p.dst.Dy() {
		row := dst[((p.dst.Min.Y+r)*p.plan.Width+p.dst.Min.X)*3:][:w*3]
		a, b, c := p.out[0][r*w:][:w], p.out[1][r*w:][:w], p.out[2][r*w:][:w]
		switch model {
		case grey:
			greyRow(row, a)
		case rgb:
			rgbRow(row, a, b, c)
		case limited:
			bt601Limited.row(row, a, b, c)
		case fullRange:
			bt601Full.row(row, a, b, c)
		}
	}
}

// centre returns p-128, with -128 made -127: the number format has no -128.
func centre(p uint8) int8 { return int8(max(p, 1) - 128) }

func greyRow(dst []int8, y []uint8) {
	for i, v := range y {
		c := centre(v)
		dst[3*i], dst[3*i+1], dst[3*i+2] = c, c, c
	}
}

func rgbRow(dst []int8, r, g, b []uint8) {
	for i := range r {
		dst[3*i], dst[3*i+1], dst[3*i+2] = centre(r[i]), centre(g[i]), centre(b[i])
	}
}

func (m *matrix) row(dst []int8, y, cb, cr []uint8) {
	for i := range y {
		l := (int32(y[i])-m.black)*m.y + 1<<15
		u, v := int32(cb[i])-128, int32(cr[i])-128
		dst[3*i] = centre(clip(l + m.rCr*v))
		dst[3*i+1] = centre(clip(l + m.gCb*u + m.gCr*v))
		dst[3*i+2] = centre(clip(l + m.bCb*u))
	}
}

// clip returns v/65536 within 0..255.
func clip(v int32) uint8 { return uint8(min(max(v>>16, 0), 255)) }
