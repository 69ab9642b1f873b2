package main

func amd64() string {
	e := newEmitter()
	e.tablesAMD64()
	e.pickAMD64()
	e.rowAMD64()
	e.columnsAMD64()
	e.rgbAMD64()
	e.interleaveAMD64()
	return e.String()
}

// table emits bytes under a name.
func (e emitter) table(name string, b []byte) {
	e.P("")
	for i := 0; i < len(b); i += 8 {
		var v uint64
		for k := range 8 {
			v |= uint64(b[i+k]) << (8 * k)
		}
		e.P("DATA %s<>+%d(SB)/8, $0x%016x", name, i, v)
	}
	e.P("GLOBL %s<>(SB), RODATA|NOPTR, $%d", name, len(b))
}

// repeat is a number of n bytes, 32 bytes of it.
func repeat(v uint32, n int) (b []byte) {
	for i := range 32 {
		b = append(b, byte(v>>(8*(i%n))))
	}
	return b
}

func (e emitter) tablesAMD64() {
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
func (e emitter) pickAMD64() {
	e.Begin("applyPick", "pick")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ pick_dst(AX), DI")
	e.P("MOVQ pick_src(AX), SI")
	e.P("MOVQ pick_blocks(AX), CX")
	e.P("MOVQ pick_step(AX), DX")
	e.P("CMPQ DX, $3")
	e.P("JEQ three")
	e.P("JGT four")
	e.P("VMOVDQU evenBytes<>(SB), X4")
	e.P("two:")
	e.P("VPAND (SI), X4, X0")
	e.P("VPAND 16(SI), X4, X1")
	e.P("VPACKUSWB X1, X0, X0")
	e.nextPickAMD64("two", 2)
	e.P("three:")
	e.P("VMOVDQU (SI), X0")
	e.P("VMOVDQU 16(SI), X1")
	e.P("VMOVDQU 32(SI), X2")
	for r := range 3 {
		e.P("VPSHUFB thirdBytes<>+%d(SB), X%d, X%d", 16*r, r, r)
	}
	e.P("VPOR X1, X0, X0")
	e.P("VPOR X2, X0, X0")
	e.nextPickAMD64("three", 3)
	e.P("four:")
	e.P("VMOVDQU fourthBytes<>(SB), X4")
	e.P("next:")
	for r := range 4 {
		e.P("VPAND %d(SI), X4, X%d", 16*r, r)
	}
	e.P("VPACKUSDW X1, X0, X0")
	e.P("VPACKUSDW X3, X2, X2")
	e.P("VPACKUSWB X2, X0, X0")
	e.nextPickAMD64("next", 4)
}

func (e emitter) nextPickAMD64(label string, step int) {
	e.P("VMOVDQU X0, (DI)")
	e.P("ADDQ $%d, SI", 16*step)
	e.P("ADDQ $16, DI")
	e.P("DECQ CX")
	e.P("JNZ %s", label)
	e.P("RET")
	e.P("")
}

// rowAMD64 emits four outputs a turn: the 128-bit halves of Y0..Y3 sum the products of eight samples with the high and
// with the low bits of their weights.
//
//	DI result   SI source   BX first samples   DX weights   R8 turns left   R9..R12 the outputs' samples
func (e emitter) rowAMD64() {
	e.Begin("applyRow", "row")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ row_dst(AX), DI")
	e.P("MOVQ row_src(AX), SI")
	e.P("MOVQ row_first(AX), BX")
	e.P("MOVQ row_coef(AX), DX")
	e.P("MOVQ row_groups(AX), R8")
	e.P("VMOVDQU half<>(SB), X14")
	e.P("group:")
	for q := range 4 {
		e.P("MOVLQSX %d(BX), R%d", 4*q, 9+q)
		e.P("ADDQ SI, R%d", 9+q)
		e.P("VPXOR Y%d, Y%d, Y%d", q, q, q)
	}
	e.P("MOVQ row_blocks(AX), CX")
	e.P("block:")
	for q := range 4 {
		t := 4 + q
		e.P("VPBROADCASTQ (R%d), X%d", 9+q, t)
		e.P("VPMOVZXBW X%d, Y%d", t, t)
		e.P("VPMADDWD %d(DX), Y%d, Y%d", 32*q, t, t)
		e.P("VPADDD Y%d, Y%d, Y%d", t, q, q)
		e.P("ADDQ $8, R%d", 9+q)
	}
	e.P("ADDQ $128, DX")
	e.P("DECQ CX")
	e.P("JNZ block")
	e.P("VPHADDD Y1, Y0, Y0")
	e.P("VPHADDD Y3, Y2, Y2")
	e.P("VPHADDD Y2, Y0, Y0")
	e.P("VEXTRACTI128 $1, Y0, X1")
	e.P("VPSLLD $11, X0, X0")
	e.P("VPADDD X1, X0, X0")
	e.P("VPADDD X14, X0, X0")
	e.P("VPSRLD $22, X0, X0")
	e.P("VPACKUSDW X0, X0, X0")
	e.P("VPACKUSWB X0, X0, X0")
	e.P("VMOVD X0, (DI)")
	e.P("ADDQ $4, DI")
	e.P("ADDQ $16, BX")
	e.P("DECQ R8")
	e.P("JNZ group")
	e.P("VZEROUPPER")
	e.P("RET")
}

// columnsAMD64 emits 32 outputs a turn.
//
//	DI result   SI first row   R8 stride   R9 row   R10 weight   CX weights left   DX turns left
func (e emitter) columnsAMD64() {
	e.Begin("applyColumns", "columns")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ columns_dst(AX), DI")
	e.P("MOVQ columns_rows(AX), SI")
	e.P("MOVQ columns_stride(AX), R8")
	e.P("MOVQ columns_blocks(AX), DX")
	e.P("VMOVDQU half<>(SB), Y14")
	e.P("VMOVDQU laneOrder<>(SB), Y13")
	e.P("block:")
	for q := range 4 {
		e.P("VMOVDQA Y14, Y%d", q)
	}
	e.P("MOVQ SI, R9")
	e.P("MOVQ columns_coef(AX), R10")
	e.P("MOVQ columns_taps(AX), CX")
	e.P("tap:")
	e.P("VPBROADCASTD (R10), Y4")
	for q := range 4 {
		t := 5 + q
		e.P("VPMOVZXBD %d(R9), Y%d", 8*q, t)
		e.P("VPMULLD Y4, Y%d, Y%d", t, t)
		e.P("VPADDD Y%d, Y%d, Y%d", t, q, q)
	}
	e.P("ADDQ R8, R9")
	e.P("ADDQ $4, R10")
	e.P("DECQ CX")
	e.P("JNZ tap")
	for q := range 4 {
		e.P("VPSRLD $22, Y%d, Y%d", q, q)
	}
	e.P("VPACKUSDW Y1, Y0, Y0")
	e.P("VPACKUSDW Y3, Y2, Y2")
	e.P("VPACKUSWB Y2, Y0, Y0")
	e.P("VPERMD Y0, Y13, Y0")
	e.P("VMOVDQU Y0, (DI)")
	e.P("ADDQ $32, DI")
	e.P("ADDQ $32, SI")
	e.P("DECQ DX")
	e.P("JNZ block")
	e.P("VZEROUPPER")
	e.P("RET")
}

// planesAMD64 loads the arguments of a kernel of three planes to DI, SI, DX, BX, CX.
func (e emitter) planesAMD64(name string) {
	e.Begin(name, "planes")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ planes_dst(AX), DI")
	e.P("MOVQ planes_a(AX), SI")
	e.P("MOVQ planes_b(AX), DX")
	e.P("MOVQ planes_c(AX), BX")
	e.P("MOVQ planes_blocks(AX), CX")
}

func (e emitter) rgbAMD64() {
	e.planesAMD64("applyRGB")
	e.P("MOVQ planes_m(AX), R8")
	for i, field := range []string{"Black", "Y", "RCr", "GCb", "GCr", "BCb"} {
		e.P("VPBROADCASTD Matrix_%s(R8), Y%d", field, 8+i)
	}
	e.P("VMOVDQU rounding<>(SB), Y14")
	e.P("VMOVDQU middle<>(SB), Y7")
	e.P("next:")
	e.P("VPMOVZXBD (SI), Y0")
	e.P("VPMOVZXBD (DX), Y1")
	e.P("VPMOVZXBD (BX), Y2")
	e.P("VPSUBD Y8, Y0, Y0")
	e.P("VPMULLD Y9, Y0, Y0")
	e.P("VPADDD Y14, Y0, Y0") // l
	e.P("VPSUBD Y7, Y1, Y1")  // Cb - 128
	e.P("VPSUBD Y7, Y2, Y2")  // Cr - 128
	e.P("VPMULLD Y10, Y2, Y3")
	e.P("VPMULLD Y11, Y1, Y4")
	e.P("VPMULLD Y12, Y2, Y5")
	e.P("VPADDD Y5, Y4, Y4")
	e.P("VPMULLD Y13, Y1, Y5")
	for i, to := range []string{"SI", "DX", "BX"} {
		r := 3 + i
		e.P("VPADDD Y0, Y%d, Y%d", r, r)
		e.P("VPSRAD $16, Y%d, Y%d", r, r)
		e.P("VEXTRACTI128 $1, Y%d, X6", r)
		e.P("VPACKSSDW X6, X%d, X%d", r, r)
		e.P("VPACKUSWB X%d, X%d, X%d", r, r, r)
		e.P("VMOVQ X%d, (%s)", r, to)
	}
	for _, r := range []string{"SI", "DX", "BX"} {
		e.P("ADDQ $8, %s", r)
	}
	e.P("DECQ CX")
	e.P("JNZ next")
	e.P("VZEROUPPER")
	e.P("RET")
}

func (e emitter) interleaveAMD64() {
	e.planesAMD64("applyInterleave")
	e.P("VMOVDQU one<>(SB), X12")
	e.P("VMOVDQU sign<>(SB), X13")
	e.P("next:")
	for i, from := range []string{"SI", "DX", "BX"} {
		e.P("VPMAXUB (%s), X12, X%d", from, i)
		e.P("VPXOR X13, X%d, X%d", i, i)
	}
	for r := range 3 {
		for c := range 3 {
			e.P("VPSHUFB spread<>+%d(SB), X%d, X%d", 16*(3*r+c), c, 3+c)
		}
		e.P("VPOR X4, X3, X3")
		e.P("VPOR X5, X3, X3")
		e.P("VMOVDQU X3, %d(DI)", 16*r)
	}
	e.P("ADDQ $48, DI")
	for _, r := range []string{"SI", "DX", "BX"} {
		e.P("ADDQ $16, %s", r)
	}
	e.P("DECQ CX")
	e.P("JNZ next")
	e.P("RET")
}
