// Package quant fixes the arithmetic of the int8 network: what a scale means
// and how a sum is rounded back to eight bits. Kernels, the trainer's
// calibration and its fake quantiser all follow it, so there is one rounding rule.
//
// Activations and weights are int8 in -Max..Max; -128 does not occur. Scales
// are finite and positive (CheckScale), so no NaN can arise.
package quant

import (
	"fmt"
	"math"
)

// Max is the largest magnitude of an activation or weight.
const Max = 127

// Requantize scales one accumulator, bias included, to an activation:
//
//	y = clamp(rne(float32(acc) * scale), lo, 127)
//
// rne is round to nearest, ties to even. One conversion, one product, one
// rounding: VCVTDQ2PS, VMULPS, VCVTPS2DQ on amd64 and SCVTF, FMUL, FCVTNS on
// arm64 give the same bits. lo is 0 after ReLU, else -127.
//
// The conversions back to integer differ only where the product is outside
// int32: VCVTPS2DQ gives -2^31 there, FCVTNS saturates. CheckScale's upper
// bound keeps every product below 2^30 in magnitude, so the case does not occur.
func Requantize(acc int32, scale float32, lo int8) int8 {
	return round(float32(float32(acc)*scale), lo)
}

// AddRequantize adds two activations of different steps:
//
//	y = clamp(rne(float32(float32(a)*sa) + float32(float32(b)*sb)), lo, 127)
//
// Two products, each rounded to float32, and one sum: VMULPS VMULPS VADDPS or
// FMUL FMUL FADD, never fused.
func AddRequantize(a, b int8, sa, sb float32, lo int8) int8 {
	return round(float32(float32(a)*sa)+float32(float32(b)*sb), lo)
}

// magic has a unit in the last place of 1, and so has everything within 2^22
// of it: adding it to a small float32 rounds that to an integer, ties to even.
const magic = 3 << 22

// round is clamp(rne(x), lo, 127). Clamping to the bounds first changes
// nothing, as both are integers and rne is monotonic.
func round(x float32, lo int8) int8 {
	x = min(max(x, float32(lo)), Max)
	return int8(math.Float32bits(x + magic))
}

// MaxScale bounds the scale of a node whose unscaled magnitude is at most
// bound: no product reaches 2^30.
func MaxScale(bound int64) float32 {
	return float32(1<<29) / float32(max(bound, 1))
}

// CheckScale reports whether scale is finite, positive, normal and at most MaxScale(bound).
func CheckScale(scale float32, bound int64) error {
	const smallest = 0x1p-126 // subnormals may be flushed to zero by a CPU's mode
	if !(scale >= smallest && scale <= MaxScale(bound)) {
		return fmt.Errorf("scale %g is outside %g..%g", scale, float32(smallest), MaxScale(bound))
	}
	return nil
}
