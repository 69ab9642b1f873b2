package main

// The lane kernels work on 16 channels of count pixels: see lane in package kernel.
//
//	AX *lane   BX input   DI result   R8, R9 their distance between pixels   CX pixels left
func (e emitter) lanesAMD64() {
	e.lanes("maxLanes", func() {
		e.P("VPBROADCASTB lane_low(AX), X1")
	}, func() {
		e.P("VMOVDQA X1, X0")
		e.P("MOVQ lane_at(AX), SI")
		e.P("MOVQ lane_taps(AX), DX")
		e.P("tap:")
		e.P("MOVQ (SI), R12")
		e.P("VPMAXSB (BX)(R12*1), X0, X0")
		e.P("ADDQ $8, SI")
		e.P("DECQ DX")
		e.P("JNZ tap")
		e.P("VMOVDQU X0, (DI)")
	})
	e.lanes("addLanes", func() {
		e.P("MOVQ lane_second(AX), DX")
		for i, field := range []string{"scale", "scaleB"} {
			e.P("MOVQ lane_%s(AX), SI", field)
			e.P("VMOVUPS (SI), Y%d", 8+2*i)
			e.P("VMOVUPS 32(SI), Y%d", 9+2*i)
		}
		e.P("VPBROADCASTD lane_low(AX), Y12")
	}, func() {
		for i, from := range []string{"(BX)", "8(BX)", "(DX)", "8(DX)"} {
			e.P("VPMOVSXBD %s, Y%d", from, i)
			e.P("VCVTDQ2PS Y%d, Y%d", i, i)
			e.P("VMULPS Y%d, Y%d, Y%d", 8+i, i, i)
		}
		for i := range 2 {
			e.P("VADDPS Y%d, Y%d, Y%d", i+2, i, i)
			e.P("VCVTPS2DQ Y%d, Y%d", i, i)
			e.P("VPMAXSD Y12, Y%d, Y%d", i, i)
		}
		e.P("VPACKSSDW Y1, Y0, Y0") // 64-bit quarters a0 b0 a1 b1
		e.P("VPERMQ $0xd8, Y0, Y0") // a0 a1 b0 b1
		e.storeLanes()
		e.P("ADDQ R8, DX")
	})
	e.lanes("dotLanes", func() {
		for i, field := range []string{"bias", "scale"} {
			e.P("MOVQ lane_%s(AX), SI", field)
			e.P("VMOVUPS (SI), Y%d", 8+2*i)
			e.P("VMOVUPS 32(SI), Y%d", 9+2*i)
		}
		e.P("VPBROADCASTD lane_low(AX), Y12")
	}, func() {
		e.P("VMOVDQA Y8, Y0")
		e.P("VMOVDQA Y9, Y1")
		e.P("MOVQ lane_at(AX), SI")
		e.P("MOVQ lane_weights(AX), DX")
		e.P("MOVQ lane_taps(AX), R10")
		e.P("tap:") // two taps; Y0 sums channels 0-3 and 8-11, Y1 the others
		e.P("MOVQ (SI), R12")
		e.P("MOVQ 8(SI), R13")
		e.P("VPMOVSXBW (BX)(R12*1), Y2")
		e.P("VPMOVSXBW (BX)(R13*1), Y3")
		e.P("VPUNPCKLWD Y3, Y2, Y4")
		e.P("VPUNPCKHWD Y3, Y2, Y5")
		e.P("VPMADDWD (DX), Y4, Y4")
		e.P("VPMADDWD 32(DX), Y5, Y5")
		e.P("VPADDD Y4, Y0, Y0")
		e.P("VPADDD Y5, Y1, Y1")
		e.P("ADDQ $16, SI")
		e.P("ADDQ $64, DX")
		e.P("SUBQ $2, R10")
		e.P("JNZ tap")
		for i := range 2 {
			e.P("VCVTDQ2PS Y%d, Y%d", i, i)
			e.P("VMULPS Y%d, Y%d, Y%d", 10+i, i, i)
			e.P("VCVTPS2DQ Y%d, Y%d", i, i)
			e.P("VPMAXSD Y12, Y%d, Y%d", i, i)
		}
		e.P("VPACKSSDW Y1, Y0, Y0") // in each half: its channels in order
		e.storeLanes()
	})
}

// storeLanes narrows 16 int16 in Y0 to the result.
func (e emitter) storeLanes() {
	e.P("VEXTRACTI128 $1, Y0, X1")
	e.P("VPACKSSWB X1, X0, X0")
	e.P("VMOVDQU X0, (DI)")
}

// lanes emits a loop over pixels.
func (e emitter) lanes(name string, prepare, pixel func()) {
	e.Begin(name, "lane")
	e.P("MOVQ a+0(FP), AX")
	e.P("MOVQ lane_in(AX), BX")
	e.P("MOVQ lane_out(AX), DI")
	e.P("MOVQ lane_step(AX), R8")
	e.P("MOVQ lane_outStep(AX), R9")
	e.P("MOVQ lane_count(AX), CX")
	prepare()
	e.P("pixel:")
	pixel()
	e.P("ADDQ R8, BX")
	e.P("ADDQ R9, DI")
	e.P("DECQ CX")
	e.P("JNZ pixel")
	e.P("VZEROUPPER")
	e.P("RET")
}

// On arm64:
//
//	R0 *lane   R1 input   R2 result   R3, R4 their distance between pixels   R5 pixels left
func (e emitter) lanesARM64() {
	e.lanesNEON("maxLanes", func() {
		e.P("MOVW lane_low(R0), R8")
		e.P("VDUP R8, V24.B16")
		e.P("MOVD lane_at(R0), R6")
		e.P("MOVD lane_taps(R0), R7")
	}, func() {
		e.P("VMOV V24.B16, V0.B16")
		e.P("MOVD R6, R8")
		e.P("MOVD R7, R9")
		e.P("tap:")
		e.P("MOVD.P 8(R8), R10")
		e.P("ADD R1, R10")
		e.P("FMOVQ (R10), F1")
		e.smax16b(0, 0, 1)
		e.P("SUBS $1, R9")
		e.P("BNE tap")
		e.P("FMOVQ F0, (R2)")
	})
	e.lanesNEON("addLanes", func() {
		e.P("MOVD lane_second(R0), R6")
		e.P("MOVD lane_scale(R0), R8")
		e.P("VLD1 (R8), [V16.S4, V17.S4, V18.S4, V19.S4]")
		e.P("MOVD lane_scaleB(R0), R8")
		e.P("VLD1 (R8), [V20.S4, V21.S4, V22.S4, V23.S4]")
		e.P("MOVW lane_low(R0), R8")
		e.P("VDUP R8, V24.B16")
	}, func() {
		e.P("FMOVQ (R1), F12")
		e.P("FMOVQ (R6), F13")
		e.widen(0, 12)
		e.widen(4, 13)
		for i := range 8 {
			e.Scvtf4s(i, i)
			e.Fmul4s(i, i, 16+i)
		}
		for i := range 4 {
			e.Fadd4s(i, i, 4+i)
			e.fcvtns(i, i)
		}
		e.storeNEON()
		e.P("ADD R3, R6")
	})
	e.lanesNEON("dotLanes", func() {
		e.P("MOVD lane_bias(R0), R8")
		e.P("VLD1 (R8), [V16.S4, V17.S4, V18.S4, V19.S4]")
		e.P("MOVD lane_scale(R0), R8")
		e.P("VLD1 (R8), [V20.S4, V21.S4, V22.S4, V23.S4]")
		e.P("MOVW lane_low(R0), R8")
		e.P("VDUP R8, V24.B16")
		e.P("MOVD lane_at(R0), R6")
		e.P("MOVD lane_weights(R0), R7")
		e.P("MOVD lane_taps(R0), R11")
	}, func() {
		for i := range 4 {
			e.P("VMOV V%d.B16, V%d.B16", 16+i, i)
		}
		e.P("MOVD R6, R8")
		e.P("MOVD R7, R9")
		e.P("MOVD R11, R10")
		e.P("tap:") // two taps
		e.P("MOVD.P 8(R8), R12")
		e.P("MOVD.P 8(R8), R13")
		e.P("ADD R1, R12")
		e.P("ADD R1, R13")
		e.P("FMOVQ (R12), F4")
		e.P("FMOVQ (R13), F5")
		e.P("VLD1.P 32(R9), [V6.B16, V7.B16]")
		e.smull(8, 4, 6)
		e.smull2(9, 4, 6)
		e.smlal(8, 5, 7)
		e.smlal2(9, 5, 7)
		e.saddw(0, 0, 8)
		e.saddw2(1, 1, 8)
		e.saddw(2, 2, 9)
		e.saddw2(3, 3, 9)
		e.P("SUBS $2, R10")
		e.P("BNE tap")
		for i := range 4 {
			e.requantise(i, 20+i)
		}
		e.storeNEON()
	})
}

// widen sign-extends the 16 bytes of n to int32 in d..d+3.
func (e emitter) widen(d, n int) {
	e.sxtl8h(14, n)
	e.sxtl28h(15, n)
	e.sxtl4s(d, 14)
	e.sxtl24s(d+1, 14)
	e.sxtl4s(d+2, 15)
	e.sxtl24s(d+3, 15)
}

// storeNEON narrows 16 int32 in V0 to V3 to the result, at least low in V24.
func (e emitter) storeNEON() {
	e.sqxtn4h(0, 0)
	e.sqxtn8h(0, 1)
	e.sqxtn4h(2, 2)
	e.sqxtn8h(2, 3)
	e.sqxtn8b(0, 0)
	e.sqxtn16b(0, 2)
	e.smax16b(0, 0, 24)
	e.P("FMOVQ F0, (R2)")
}

// lanesNEON emits a loop over pixels.
func (e emitter) lanesNEON(name string, prepare, pixel func()) {
	e.Begin(name, "lane")
	e.P("MOVD a+0(FP), R0")
	e.P("MOVD lane_in(R0), R1")
	e.P("MOVD lane_out(R0), R2")
	e.P("MOVD lane_step(R0), R3")
	e.P("MOVD lane_outStep(R0), R4")
	e.P("MOVD lane_count(R0), R5")
	prepare()
	e.P("pixel:")
	pixel()
	e.P("ADD R3, R1")
	e.P("ADD R4, R2")
	e.P("SUBS $1, R5")
	e.P("BNE pixel")
	e.P("RET")
}
