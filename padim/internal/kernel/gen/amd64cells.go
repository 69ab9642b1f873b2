package main

// A vec is eight float64 in one or two registers.
type vec int

func (s simd) part(v vec, p int) string { return s.reg(int(v)*64/s.bytes + p) }

// each calls f for the parts of a vec with the byte offset of each.
func (s simd) each(f func(p, at int)) {
	for p := range 64 / s.bytes {
		f(p, p*s.bytes)
	}
}

// load and store move v from and to addr, a format with the offset.
func (e emitter) load(s simd, v vec, addr string, off int) {
	s.each(func(p, at int) { e.P("VMOVUPD "+addr+", %s", off+at, s.part(v, p)) })
}

func (e emitter) store(s simd, v vec, addr string, off int) {
	s.each(func(p, at int) { e.P("VMOVUPD %s, "+addr, s.part(v, p), off+at) })
}

// mulTo emits op(sum, x * memory), op VSUBPD or VADDPD; t is scratch.
func (e emitter) mulTo(s simd, op string, sum, x, t vec, addr string, off int) {
	s.each(func(p, at int) {
		e.P("VMULPD "+addr+", %s, %s", off+at, s.part(x, p), s.part(t, p))
		e.P("%s %s, %s, %s", op, s.part(t, p), s.part(sum, p), s.part(sum, p))
	})
}

func (e emitter) divide(s simd, v vec, addr string, off int) {
	s.each(func(p, at int) { e.P("VDIVPD "+addr+", %s, %s", off+at, s.part(v, p), s.part(v, p)) })
}

// choleskyAMD64 emits func choleskyISA(a *triangles), four columns at a time.
//
//	SI row i   R12 64i   R13 64j   R8 R9 R10 R11 rows j..j+3   DX 64k   CX rows left
func (e emitter) choleskyAMD64(s simd) {
	const x, t = 4, 5
	e.Begin("cholesky"+s.name, "triangles")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ triangles_l(AX), BX")
	e.P("MOVQ triangles_d(AX), CX")
	e.P("MOVQ BX, SI")
	e.P("XORQ R12, R12")
	e.P("row:")
	e.P("XORQ R13, R13")
	e.P("MOVQ BX, R8")
	e.P("four:")
	e.P("LEAQ 256(R13), DX")
	e.P("CMPQ DX, R12")
	e.P("JGT one")
	e.P("LEAQ 64(R8)(R13*1), R9")
	e.P("LEAQ 128(R9)(R13*1), R10")
	e.P("LEAQ 192(R10)(R13*1), R11")
	for c := range 4 {
		e.load(s, vec(c), "%d(SI)(R13*1)", 64*c)
	}
	rows := []string{"R8", "R9", "R10", "R11"}
	e.P("XORQ DX, DX")
	e.P("CMPQ DX, R13")
	e.P("JEQ four_end")
	e.P("four_k:")
	e.load(s, x, "%d(SI)(DX*1)", 0)
	for c, r := range rows {
		e.mulTo(s, "VSUBPD", vec(c), x, t, "%d("+r+")(DX*1)", 0)
	}
	e.P("ADDQ $64, DX")
	e.P("CMPQ DX, R13")
	e.P("JLT four_k")
	e.P("four_end:")
	for c, r := range rows {
		for k := range c {
			e.mulTo(s, "VSUBPD", vec(c), vec(k), t, "%d("+r+")(R13*1)", 64*k)
		}
		e.divide(s, vec(c), "%d("+r+")(R13*1)", 64*c)
		e.store(s, vec(c), "%d(SI)(R13*1)", 64*c)
	}
	e.P("LEAQ 256(R11)(R13*1), R8")
	e.P("ADDQ $256, R13")
	e.P("JMP four")
	e.P("one:")
	e.P("CMPQ R13, R12")
	e.P("JGE diagonal")
	e.columnAlone(s, x, t, "one", "R8")
	e.divide(s, 0, "%d(R8)(R13*1)", 0)
	e.store(s, 0, "%d(SI)(R13*1)", 0)
	e.P("LEAQ 64(R8)(R13*1), R8")
	e.P("ADDQ $64, R13")
	e.P("JMP one")
	e.P("diagonal:")
	e.columnAlone(s, x, t, "diagonal", "SI")
	s.each(func(p, _ int) { e.P("VSQRTPD %s, %s", s.part(0, p), s.part(0, p)) })
	e.store(s, 0, "%d(SI)(R13*1)", 0)
	e.P("LEAQ 64(SI)(R12*1), SI")
	e.P("ADDQ $64, R12")
	e.P("DECQ CX")
	e.P("JNZ row")
	e.P("VZEROUPPER")
	e.P("RET")
}

// columnAlone emits sum 0 = (i, j) - sum over k < j of row i times the row r.
func (e emitter) columnAlone(s simd, x, t vec, label, r string) {
	e.load(s, 0, "%d(SI)(R13*1)", 0)
	e.P("XORQ DX, DX")
	e.P("CMPQ DX, R13")
	e.P("JEQ %s_end", label)
	e.P("%s_k:", label)
	e.load(s, x, "%d(SI)(DX*1)", 0)
	e.mulTo(s, "VSUBPD", 0, x, t, "%d("+r+")(DX*1)", 0)
	e.P("ADDQ $64, DX")
	e.P("CMPQ DX, R13")
	e.P("JLT %s_k", label)
	e.P("%s_end:", label)
}

// invertAMD64 emits func invertISA(a *triangles), four columns at a time.
//
//	SI row i of L   DI row i of W   R12 64i   R13 64j   R8 row j of W
//	R9 (k, j) of W  DX 64k          CX rows left        BX W
func (e emitter) invertAMD64(s simd) {
	const x, t = 4, 5
	e.Begin("invert"+s.name, "triangles")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ triangles_w(AX), BX")
	e.P("MOVQ triangles_l(AX), SI")
	e.P("MOVQ triangles_d(AX), CX")
	e.P("MOVQ BX, DI")
	e.P("XORQ R12, R12")
	e.P("row:")
	e.P("XORQ R13, R13")
	e.P("MOVQ BX, R8")
	e.P("four:")
	e.P("LEAQ 256(R13), DX")
	e.P("CMPQ DX, R12")
	e.P("JGT one")
	for c := range 4 {
		e.clear(s, vec(c))
	}
	e.P("LEAQ (R8)(R13*1), R9")
	e.P("MOVQ R13, DX")
	for k := range 3 {
		e.inverseTerm(s, k+1, x, t)
	}
	e.P("four_k:")
	e.inverseTerm(s, 4, x, t)
	e.P("CMPQ DX, R12")
	e.P("JLT four_k")
	for c := range 4 {
		e.negateDivide(s, vec(c), t, 64*c)
	}
	e.P("LEAQ 640(R8)(R13*4), R8")
	e.P("ADDQ $256, R13")
	e.P("JMP four")
	e.P("one:")
	e.P("CMPQ R13, R12")
	e.P("JGE diagonal")
	e.clear(s, 0)
	e.P("LEAQ (R8)(R13*1), R9")
	e.P("MOVQ R13, DX")
	e.P("one_k:")
	e.inverseTerm(s, 1, x, t)
	e.P("CMPQ DX, R12")
	e.P("JLT one_k")
	e.negateDivide(s, 0, t, 0)
	e.P("LEAQ 64(R8)(R13*1), R8")
	e.P("ADDQ $64, R13")
	e.P("JMP one")
	e.P("diagonal:")
	e.P("MOVQ $0x3ff0000000000000, DX // 1.0")
	e.P("VMOVQ DX, X15")
	s.each(func(p, _ int) { e.P("VBROADCASTSD X15, %s", s.part(0, p)) })
	e.divide(s, 0, "%d(SI)(R12*1)", 0)
	e.store(s, 0, "%d(DI)(R12*1)", 0)
	e.P("LEAQ 64(SI)(R12*1), SI")
	e.P("LEAQ 64(DI)(R12*1), DI")
	e.P("ADDQ $64, R12")
	e.P("DECQ CX")
	e.P("JNZ row")
	e.P("VZEROUPPER")
	e.P("RET")
}

func (e emitter) clear(s simd, v vec) {
	s.each(func(p, _ int) {
		r := s.part(v, p)
		if s.bytes == 64 {
			e.P("VPXORQ %s, %s, %s", r, r, r)
		} else {
			e.P("VPXOR %s, %s, %s", r, r, r)
		}
	})
}

// inverseTerm emits the term k of n columns and steps to k+1.
func (e emitter) inverseTerm(s simd, n int, x, t vec) {
	e.load(s, x, "%d(SI)(DX*1)", 0)
	for c := range n {
		e.mulTo(s, "VADDPD", vec(c), x, t, "%d(R9)", 64*c)
	}
	e.P("LEAQ 64(R9)(DX*1), R9")
	e.P("ADDQ $64, DX")
}

// negateDivide emits W[i][j+off/64] = (0 - sum) / L[i][i].
func (e emitter) negateDivide(s simd, v, t vec, off int) {
	e.clear(s, t)
	s.each(func(p, _ int) { e.P("VSUBPD %s, %s, %s", s.part(v, p), s.part(t, p), s.part(v, p)) })
	e.divide(s, v, "%d(SI)(R12*1)", 0)
	e.store(s, v, "%d(DI)(R13*1)", off)
}
