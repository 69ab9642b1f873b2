package pixel

func pickGeneric(dst, src []uint8, step int) {
	for i := range dst {
		dst[i] = src[i*step]
	}
}

func rowGeneric(dst, src []uint8, r *Row) {
	for i, at := range r.first {
		sum := int32(half)
		for k, c := range r.coef[i*r.taps:][:r.count[i]] {
			sum += c * int32(src[int(at)+k])
		}
		dst[i] = uint8(sum >> Bits)
	}
}

func columnsGeneric(dst, rows []uint8, stride int, coef []int32) {
	const n = 64 // sums that stay in the cache
	var acc [n]int32
	for at := 0; at < len(dst); at += n {
		out := dst[at:min(at+n, len(dst))]
		for j := range out {
			acc[j] = half
		}
		for k, c := range coef {
			for j, v := range rows[k*stride+at:][:len(out)] {
				acc[j] += c * int32(v)
			}
		}
		for j := range out {
			out[j] = uint8(acc[j] >> Bits)
		}
	}
}

func (m *Matrix) rgbGeneric(y, cb, cr []uint8) {
	for i := range y {
		l := (int32(y[i])-m.Black)*m.Y + 1<<15
		u, v := int32(cb[i])-128, int32(cr[i])-128
		y[i], cb[i], cr[i] = clip(l+m.RCr*v), clip(l+m.GCb*u+m.GCr*v), clip(l+m.BCb*u)
	}
}

// clip returns v/65536 within 0..255.
func clip(v int32) uint8 { return uint8(min(max(v>>16, 0), 255)) }

func interleaveGeneric(dst []int8, a, b, c []uint8) {
	for i := range a {
		dst[3*i], dst[3*i+1], dst[3*i+2] = centre(a[i]), centre(b[i]), centre(c[i])
	}
}

// centre returns p-128, with -128 made -127: the number format has no -128.
func centre(p uint8) int8 { return int8(max(p, 1) - 128) }
