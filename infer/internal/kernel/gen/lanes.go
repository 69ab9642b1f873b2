package main

// The lane kernels work on 16 channels of count pixels: see lane in package kernel.
//
//	AX *lane   BX input   DI result   R8, R9 their distance between pixels   CX pixels left
func (e *emitter) lanesAMD64() {
	e.lanes("maxLanes", func() {
		e.p("VPBROADCASTB lane_low(AX), X1")
	}, func() {
		e.p("VMOVDQA X1, X0")
		e.p("MOVQ lane_at(AX), SI")
		e.p("MOVQ lane_taps(AX), DX")
		e.p("tap:")
		e.p("MOVQ (SI), R12")
		e.p("VPMAXSB (BX)(R12*1), X0, X0")
		e.p("ADDQ $8, SI")
		e.p("DECQ DX")
		e.p("JNZ tap")
		e.p("VMOVDQU X0, (DI)")
	})
	e.lanes("addLanes", func() {
		e.p("MOVQ lane_second(AX), DX")
		for i, field := range []string{"scale", "scaleB"} {
			e.p("MOVQ lane_%s(AX), SI", field)
			e.p("VMOVUPS (SI), Y%d", 8+2*i)
			e.p("VMOVUPS 32(SI), Y%d", 9+2*i)
		}
		e.p("VPBROADCASTD lane_low(AX), Y12")
	}, func() {
		for i, from := range []string{"(BX)", "8(BX)", "(DX)", "8(DX)"} {
			e.p("VPMOVSXBD %s, Y%d", from, i)
			e.p("VCVTDQ2PS Y%d, Y%d", i, i)
			e.p("VMULPS Y%d, Y%d, Y%d", 8+i, i, i)
		}
		for i := range 2 {
			e.p("VADDPS Y%d, Y%d, Y%d", i+2, i, i)
			e.p("VCVTPS2DQ Y%d, Y%d", i, i)
			e.p("VPMAXSD Y12, Y%d, Y%d", i, i)
		}
		e.p("VPACKSSDW Y1, Y0, Y0") // 64-bit quarters a0 b0 a1 b1
		e.p("VPERMQ $0xd8, Y0, Y0") // a0 a1 b0 b1
		e.storeLanes()
		e.p("ADDQ R8, DX")
	})
	e.lanes("dotLanes", func() {
		for i, field := range []string{"bias", "scale"} {
			e.p("MOVQ lane_%s(AX), SI", field)
			e.p("VMOVUPS (SI), Y%d", 8+2*i)
			e.p("VMOVUPS 32(SI), Y%d", 9+2*i)
		}
		e.p("VPBROADCASTD lane_low(AX), Y12")
	}, func() {
		e.p("VMOVDQA Y8, Y0")
		e.p("VMOVDQA Y9, Y1")
		e.p("MOVQ lane_at(AX), SI")
		e.p("MOVQ lane_weights(AX), DX")
		e.p("MOVQ lane_taps(AX), R10")
		e.p("tap:") // two taps; Y0 sums channels 0-3 and 8-11, Y1 the others
		e.p("MOVQ (SI), R12")
		e.p("MOVQ 8(SI), R13")
		e.p("VPMOVSXBW (BX)(R12*1), Y2")
		e.p("VPMOVSXBW (BX)(R13*1), Y3")
		e.p("VPUNPCKLWD Y3, Y2, Y4")
		e.p("VPUNPCKHWD Y3, Y2, Y5")
		e.p("VPMADDWD (DX), Y4, Y4")
		e.p("VPMADDWD 32(DX), Y5, Y5")
		e.p("VPADDD Y4, Y0, Y0")
		e.p("VPADDD Y5, Y1, Y1")
		e.p("ADDQ $16, SI")
		e.p("ADDQ $64, DX")
		e.p("SUBQ $2, R10")
		e.p("JNZ tap")
		for i := range 2 {
			e.p("VCVTDQ2PS Y%d, Y%d", i, i)
			e.p("VMULPS Y%d, Y%d, Y%d", 10+i, i, i)
			e.p("VCVTPS2DQ Y%d, Y%d", i, i)
			e.p("VPMAXSD Y12, Y%d, Y%d", i, i)
		}
		e.p("VPACKSSDW Y1, Y0, Y0") // in each half: its channels in order
		e.storeLanes()
	})
}

// storeLanes narrows 16 int16 in Y0 to the result.
func (e *emitter) storeLanes() {
	e.p("VEXTRACTI128 $1, Y0, X1")
	e.p("VPACKSSWB X1, X0, X0")
	e.p("VMOVDQU X0, (DI)")
}

// lanes emits a loop over pixels.
func (e *emitter) lanes(name string, prepare, pixel func()) {
	e.begin(name, "lane")
	e.p("MOVQ a+0(FP), AX")
	e.p("MOVQ lane_in(AX), BX")
	e.p("MOVQ lane_out(AX), DI")
	e.p("MOVQ lane_step(AX), R8")
	e.p("MOVQ lane_outStep(AX), R9")
	e.p("MOVQ lane_count(AX), CX")
	prepare()
	e.p("pixel:")
	pixel()
	e.p("ADDQ R8, BX")
	e.p("ADDQ R9, DI")
	e.p("DECQ CX")
	e.p("JNZ pixel")
	e.p("VZEROUPPER")
	e.p("RET")
}

// On arm64:
//
//	R0 *lane   R1 input   R2 result   R3, R4 their distance between pixels   R5 pixels left
func (e *emitter) lanesARM64() {
	e.lanesNEON("maxLanes", func() {
		e.p("MOVW lane_low(R0), R8")
		e.p("VDUP R8, V24.B16")
		e.p("MOVD lane_at(R0), R6")
		e.p("MOVD lane_taps(R0), R7")
	}, func() {
		e.p("VMOV V24.B16, V0.B16")
		e.p("MOVD R6, R8")
		e.p("MOVD R7, R9")
		e.p("tap:")
		e.p("MOVD.P 8(R8), R10")
		e.p("ADD R1, R10")
		e.p("FMOVQ (R10), F1")
		e.smax16b(0, 0, 1)
		e.p("SUBS $1, R9")
		e.p("BNE tap")
		e.p("FMOVQ F0, (R2)")
	})
	e.lanesNEON("addLanes", func() {
		e.p("MOVD lane_second(R0), R6")
		e.p("MOVD lane_scale(R0), R8")
		e.p("VLD1 (R8), [V16.S4, V17.S4, V18.S4, V19.S4]")
		e.p("MOVD lane_scaleB(R0), R8")
		e.p("VLD1 (R8), [V20.S4, V21.S4, V22.S4, V23.S4]")
		e.p("MOVW lane_low(R0), R8")
		e.p("VDUP R8, V24.B16")
	}, func() {
		e.p("FMOVQ (R1), F12")
		e.p("FMOVQ (R6), F13")
		e.widen(0, 12)
		e.widen(4, 13)
		for i := range 8 {
			e.scvtf(i, i)
			e.fmul(i, i, 16+i)
		}
		for i := range 4 {
			e.fadd(i, i, 4+i)
			e.fcvtns(i, i)
		}
		e.storeNEON()
		e.p("ADD R3, R6")
	})
	e.lanesNEON("dotLanes", func() {
		e.p("MOVD lane_bias(R0), R8")
		e.p("VLD1 (R8), [V16.S4, V17.S4, V18.S4, V19.S4]")
		e.p("MOVD lane_scale(R0), R8")
		e.p("VLD1 (R8), [V20.S4, V21.S4, V22.S4, V23.S4]")
		e.p("MOVW lane_low(R0), R8")
		e.p("VDUP R8, V24.B16")
		e.p("MOVD lane_at(R0), R6")
		e.p("MOVD lane_weights(R0), R7")
		e.p("MOVD lane_taps(R0), R11")
	}, func() {
		for i := range 4 {
			e.p("VMOV V%d.B16, V%d.B16", 16+i, i)
		}
		e.p("MOVD R6, R8")
		e.p("MOVD R7, R9")
		e.p("MOVD R11, R10")
		e.p("tap:") // two taps
		e.p("MOVD.P 8(R8), R12")
		e.p("MOVD.P 8(R8), R13")
		e.p("ADD R1, R12")
		e.p("ADD R1, R13")
		e.p("FMOVQ (R12), F4")
		e.p("FMOVQ (R13), F5")
		e.p("VLD1.P 32(R9), [V6.B16, V7.B16]")
		e.smull(8, 4, 6)
		e.smull2(9, 4, 6)
		e.smlal(8, 5, 7)
		e.smlal2(9, 5, 7)
		e.saddw(0, 0, 8)
		e.saddw2(1, 1, 8)
		e.saddw(2, 2, 9)
		e.saddw2(3, 3, 9)
		e.p("SUBS $2, R10")
		e.p("BNE tap")
		for i := range 4 {
			e.requantise(i, 20+i)
		}
		e.storeNEON()
	})
}

// widen sign-extends the 16 bytes of n to int32 in d..d+3.
func (e *emitter) widen(d, n int) {
	e.sxtl8h(14, n)
	e.sxtl28h(15, n)
	e.sxtl4s(d, 14)
	e.sxtl24s(d+1, 14)
	e.sxtl4s(d+2, 15)
	e.sxtl24s(d+3, 15)
}

// storeNEON narrows 16 int32 in V0 to V3 to the result, at least low in V24.
func (e *emitter) storeNEON() {
	e.sqxtn4h(0, 0)
	e.sqxtn8h(0, 1)
	e.sqxtn4h(2, 2)
	e.sqxtn8h(2, 3)
	e.sqxtn8b(0, 0)
	e.sqxtn16b(0, 2)
	e.smax16b(0, 0, 24)
	e.p("FMOVQ F0, (R2)")
}

// lanesNEON emits a loop over pixels.
func (e *emitter) lanesNEON(name string, prepare, pixel func()) {
	e.begin(name, "lane")
	e.p("MOVD a+0(FP), R0")
	e.p("MOVD lane_in(R0), R1")
	e.p("MOVD lane_out(R0), R2")
	e.p("MOVD lane_step(R0), R3")
	e.p("MOVD lane_outStep(R0), R4")
	e.p("MOVD lane_count(R0), R5")
	prepare()
	e.p("pixel:")
	pixel()
	e.p("ADD R3, R1")
	e.p("ADD R4, R2")
	e.p("SUBS $1, R5")
	e.p("BNE pixel")
	e.p("RET")
}
