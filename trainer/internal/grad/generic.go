package grad

// genericElem runs op on channels from.. of the inside of image n: the reference
// for every kernel set, and what computes the channels no vector covers.
func genericElem(op elemOp, shape *Tensor, n, from int, t [3]*Tensor, v [3][]float32) {
	for y := range shape.H {
		var r [3][]float32
		for i := range r {
			if t[i] != nil {
				r[i] = t[i].Row(n, y)
			}
		}
		for o := 0; o < len(r[0]); o += shape.C {
			for c := from; c < shape.C; c++ {
				elemAt(op, r, o+c, v, c)
			}
		}
	}
}

func elemAt(op elemOp, r [3][]float32, i int, v [3][]float32, c int) {
	switch op {
	case opMoments:
		x := r[0][i]
		v[0][c] += x
		v[1][c] += x * x
	case opNorm:
		r[0][i] = r[1][i]*v[0][c] + v[1][c]
	case opNormReLU:
		r[0][i] = max(r[1][i]*v[0][c]+v[1][c], 0)
	case opNormAdd:
		r[0][i] = r[1][i]*v[0][c] + (r[2][i]*v[2][c] + v[1][c])
	case opReLU:
		r[0][i] = max(r[1][i], 0)
	case opSums, opMaskSums:
		if op == opMaskSums && !(r[2][i] > 0) {
			r[0][i] = 0
		}
		g := r[0][i]
		v[1][c] += g
		v[2][c] += g * (r[1][i] - v[0][c])
	case opNormBack:
		r[0][i] = r[1][i]*v[0][c] + (r[2][i]*v[1][c] + v[2][c])
	case opMask:
		if r[2][i] > 0 {
			r[0][i] = r[1][i]
		} else {
			r[0][i] = 0
		}
	case opAdd:
		r[0][i] += r[1][i]
	}
}
