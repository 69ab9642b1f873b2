package main

func amd64() string {
	e := newEmitter()
	e.tablesAMD64()
	e.pickAMD64()
	e.rowAMD64()
	e.columnsAMD64()
	e.rgbAMD64()
	e.interleaveAMD64()
	return e.text.String()
}

// table emits bytes under a name.
func (e *emitter) table(name string, b []byte) {
	e.p("")
	for i := 0; i < len(b); i += 8 {
		var v uint64
		for k := range 8 {
			v |= uint64(b[i+k]) << (8 * k)
		}
		e.p("DATA %s<>+%d(SB)/8, $0x%016x", name, i, v)
	}
	e.p("GLOBL %s<>(SB), RODATA|NOPTR, $%d", name, len(b))
}

// repeat is a number of n bytes, 32 bytes of it.
func repeat(v uint32, n int) (b []byte) {
	for i := range 32 {
		b = append(b, byte(v>>(8*(i%n))))
	}
	return b
}

func (e *emitter) tablesAMD64() {
	e.table("half", repeat(1<<21, 4))
	e.table("rounding", repeat(1<<15, 4))
	e.table("middle", repeat(128, 4))
	e.table("one", repeat(1, 1))
	e.table("sign", repeat(0x80, 1))
	e.table("evenBytes", repeat(0xff, 2))
	e.table("fourthBytes", repeat(0xff, 4))
	e.table("laneOrder", []byte{ // dwords L0 L1 L2 L3 H0 H1 H2 H3 to L0 H0 L1 H1 ...
		0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0,
	})
	var third, spread []byte
	for r := range 3 { // where byte j of the result lies in the r-th 16 bytes
		for j := range 16 {
			third = append(third, within(3*j-16*r))
		}
	}
	for r := range 3 { // the r-th 16 bytes of the result, of each channel
		for c := range 3 {
			for j := range 16 {
				at := byte(0x80)
				if (16*r+j)%3 == c {
					at = byte((16*r + j) / 3)
				}
				spread = append(spread, at)
			}
		}
	}
	e.table("thirdBytes", third)
	e.table("spread", spread)
}

// within is an index of VPSHUFB: 0x80 outside the register.
func within(i int) byte {
	if i < 0 || i > 15 {
		return 0x80
	}
	return byte(i)
}

// pickAMD64 emits 16 bytes out of 16 step a turn.
//
//	DI result   SI source   CX blocks left
func (e *emitter) pickAMD64() {
	e.begin("applyPick", "pick")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ pick_dst(AX), DI")
	e.p("MOVQ pick_src(AX), SI")
	e.p("MOVQ pick_blocks(AX), CX")
	e.p("MOVQ pick_step(AX), DX")
	e.p("CMPQ DX, $3")
	e.p("JEQ three")
	e.p("JGT four")
	e.p("VMOVDQU evenBytes<>(SB), X4")
	e.p("two:")
	e.p("VPAND (SI), X4, X0")
	e.p("VPAND 16(SI), X4, X1")
	e.p("VPACKUSWB X1, X0, X0")
	e.nextPickAMD64("two", 2)
	e.p("three:")
	e.p("VMOVDQU (SI), X0")
	e.p("VMOVDQU 16(SI), X1")
	e.p("VMOVDQU 32(SI), X2")
	for r := range 3 {
		e.p("VPSHUFB thirdBytes<>+%d(SB), X%d, X%d", 16*r, r, r)
	}
	e.p("VPOR X1, X0, X0")
	e.p("VPOR X2, X0, X0")
	e.nextPickAMD64("three", 3)
	e.p("four:")
	e.p("VMOVDQU fourthBytes<>(SB), X4")
	e.p("next:")
	for r := range 4 {
		e.p("VPAND %d(SI), X4, X%d", 16*r, r)
	}
	e.p("VPACKUSDW X1, X0, X0")
	e.p("VPACKUSDW X3, X2, X2")
	e.p("VPACKUSWB X2, X0, X0")
	e.nextPickAMD64("next", 4)
}

func (e *emitter) nextPickAMD64(label string, step int) {
	e.p("VMOVDQU X0, (DI)")
	e.p("ADDQ $%d, SI", 16*step)
	e.p("ADDQ $16, DI")
	e.p("DECQ CX")
	e.p("JNZ %s", label)
	e.p("RET")
	e.p("")
}

// rowAMD64 emits four outputs a turn: the 128-bit halves of Y0..Y3 sum the products of eight samples with the high and
// with the low bits of their weights.
//
//	DI result   SI source   BX first samples   DX weights   R8 turns left   R9..R12 the outputs' samples
func (e *emitter) rowAMD64() {
	e.begin("applyRow", "row")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ row_dst(AX), DI")
	e.p("MOVQ row_src(AX), SI")
	e.p("MOVQ row_first(AX), BX")
	e.p("MOVQ row_coef(AX), DX")
	e.p("MOVQ row_groups(AX), R8")
	e.p("VMOVDQU half<>(SB), X14")
	e.p("group:")
	for q := range 4 {
		e.p("MOVLQSX %d(BX), R%d", 4*q, 9+q)
		e.p("ADDQ SI, R%d", 9+q)
		e.p("VPXOR Y%d, Y%d, Y%d", q, q, q)
	}
	e.p("MOVQ row_blocks(AX), CX")
	e.p("block:")
	for q := range 4 {
		t := 4 + q
		e.p("VPBROADCASTQ (R%d), X%d", 9+q, t)
		e.p("VPMOVZXBW X%d, Y%d", t, t)
		e.p("VPMADDWD %d(DX), Y%d, Y%d", 32*q, t, t)
		e.p("VPADDD Y%d, Y%d, Y%d", t, q, q)
		e.p("ADDQ $8, R%d", 9+q)
	}
	e.p("ADDQ $128, DX")
	e.p("DECQ CX")
	e.p("JNZ block")
	e.p("VPHADDD Y1, Y0, Y0")
	e.p("VPHADDD Y3, Y2, Y2")
	e.p("VPHADDD Y2, Y0, Y0")
	e.p("VEXTRACTI128 $1, Y0, X1")
	e.p("VPSLLD $11, X0, X0")
	e.p("VPADDD X1, X0, X0")
	e.p("VPADDD X14, X0, X0")
	e.p("VPSRLD $22, X0, X0")
	e.p("VPACKUSDW X0, X0, X0")
	e.p("VPACKUSWB X0, X0, X0")
	e.p("VMOVD X0, (DI)")
	e.p("ADDQ $4, DI")
	e.p("ADDQ $16, BX")
	e.p("DECQ R8")
	e.p("JNZ group")
	e.p("VZEROUPPER")
	e.p("RET")
}

// columnsAMD64 emits 32 outputs a turn.
//
//	DI result   SI first row   R8 stride   R9 row   R10 weight   CX weights left   DX turns left
func (e *emitter) columnsAMD64() {
	e.begin("applyColumns", "columns")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ columns_dst(AX), DI")
	e.p("MOVQ columns_rows(AX), SI")
	e.p("MOVQ columns_stride(AX), R8")
	e.p("MOVQ columns_blocks(AX), DX")
	e.p("VMOVDQU half<>(SB), Y14")
	e.p("VMOVDQU laneOrder<>(SB), Y13")
	e.p("block:")
	for q := range 4 {
		e.p("VMOVDQA Y14, Y%d", q)
	}
	e.p("MOVQ SI, R9")
	e.p("MOVQ columns_coef(AX), R10")
	e.p("MOVQ columns_taps(AX), CX")
	e.p("tap:")
	e.p("VPBROADCASTD (R10), Y4")
	for q := range 4 {
		t := 5 + q
		e.p("VPMOVZXBD %d(R9), Y%d", 8*q, t)
		e.p("VPMULLD Y4, Y%d, Y%d", t, t)
		e.p("VPADDD Y%d, Y%d, Y%d", t, q, q)
	}
	e.p("ADDQ R8, R9")
	e.p("ADDQ $4, R10")
	e.p("DECQ CX")
	e.p("JNZ tap")
	for q := range 4 {
		e.p("VPSRLD $22, Y%d, Y%d", q, q)
	}
	e.p("VPACKUSDW Y1, Y0, Y0")
	e.p("VPACKUSDW Y3, Y2, Y2")
	e.p("VPACKUSWB Y2, Y0, Y0")
	e.p("VPERMD Y0, Y13, Y0")
	e.p("VMOVDQU Y0, (DI)")
	e.p("ADDQ $32, DI")
	e.p("ADDQ $32, SI")
	e.p("DECQ DX")
	e.p("JNZ block")
	e.p("VZEROUPPER")
	e.p("RET")
}

// planesAMD64 loads the arguments of a kernel of three planes to DI, SI, DX, BX, CX.
func (e *emitter) planesAMD64(name string) {
	e.begin(name, "planes")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ planes_dst(AX), DI")
	e.p("MOVQ planes_a(AX), SI")
	e.p("MOVQ planes_b(AX), DX")
	e.p("MOVQ planes_c(AX), BX")
	e.p("MOVQ planes_blocks(AX), CX")
}

func (e *emitter) rgbAMD64() {
	e.planesAMD64("applyRGB")
	e.p("MOVQ planes_m(AX), R8")
	for i, field := range []string{"Black", "Y", "RCr", "GCb", "GCr", "BCb"} {
		e.p("VPBROADCASTD Matrix_%s(R8), Y%d", field, 8+i)
	}
	e.p("VMOVDQU rounding<>(SB), Y14")
	e.p("VMOVDQU middle<>(SB), Y7")
	e.p("next:")
	e.p("VPMOVZXBD (SI), Y0")
	e.p("VPMOVZXBD (DX), Y1")
	e.p("VPMOVZXBD (BX), Y2")
	e.p("VPSUBD Y8, Y0, Y0")
	e.p("VPMULLD Y9, Y0, Y0")
	e.p("VPADDD Y14, Y0, Y0") // l
	e.p("VPSUBD Y7, Y1, Y1")  // Cb - 128
	e.p("VPSUBD Y7, Y2, Y2")  // Cr - 128
	e.p("VPMULLD Y10, Y2, Y3")
	e.p("VPMULLD Y11, Y1, Y4")
	e.p("VPMULLD Y12, Y2, Y5")
	e.p("VPADDD Y5, Y4, Y4")
	e.p("VPMULLD Y13, Y1, Y5")
	for i, to := range []string{"SI", "DX", "BX"} {
		r := 3 + i
		e.p("VPADDD Y0, Y%d, Y%d", r, r)
		e.p("VPSRAD $16, Y%d, Y%d", r, r)
		e.p("VEXTRACTI128 $1, Y%d, X6", r)
		e.p("VPACKSSDW X6, X%d, X%d", r, r)
		e.p("VPACKUSWB X%d, X%d, X%d", r, r, r)
		e.p("VMOVQ X%d, (%s)", r, to)
	}
	for _, r := range []string{"SI", "DX", "BX"} {
		e.p("ADDQ $8, %s", r)
	}
	e.p("DECQ CX")
	e.p("JNZ next")
	e.p("VZEROUPPER")
	e.p("RET")
}

func (e *emitter) interleaveAMD64() {
	e.planesAMD64("applyInterleave")
	e.p("VMOVDQU one<>(SB), X12")
	e.p("VMOVDQU sign<>(SB), X13")
	e.p("next:")
	for i, from := range []string{"SI", "DX", "BX"} {
		e.p("VPMAXUB (%s), X12, X%d", from, i)
		e.p("VPXOR X13, X%d, X%d", i, i)
	}
	for r := range 3 {
		for c := range 3 {
			e.p("VPSHUFB spread<>+%d(SB), X%d, X%d", 16*(3*r+c), c, 3+c)
		}
		e.p("VPOR X4, X3, X3")
		e.p("VPOR X5, X3, X3")
		e.p("VMOVDQU X3, %d(DI)", 16*r)
	}
	e.p("ADDQ $48, DI")
	for _, r := range []string{"SI", "DX", "BX"} {
		e.p("ADDQ $16, %s", r)
	}
	e.p("DECQ CX")
	e.p("JNZ next")
	e.p("RET")
}
