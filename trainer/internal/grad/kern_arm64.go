//go:build !purego

package grad

// Advanced SIMD is part of every arm64 CPU that Go runs on.
var neon = kernels{
	name: "neon",
	conv: []convKernel{{4, 8, convNEONx8}, {4, 4, convNEONx4}},
	weight: []weightKernel{
		{8, 8, weightNEON_8x8},
		{4, 8, weightNEON_4x8},
		{3, 8, weightNEON_3x8},
		{2, 8, weightNEON_2x8},
		{1, 8, weightNEON_1x8},
		{8, 4, weightNEON_8x4},
		{4, 4, weightNEON_4x4},
		{3, 4, weightNEON_3x4},
		{2, 4, weightNEON_2x4},
		{1, 4, weightNEON_1x4},
	},
	elem: []elemKernels{{4, [elemOps]func(*elemArgs){
		momentsNEON, normNEON, normReLUNEON, normAddNEON, reluNEON,
		sumsNEON, maskSumsNEON, normBackNEON, maskNEON, addNEON,
	}, [tileOps]func(*tileArgs){spreadInputNEON, spreadOutputNEON, gatherOutputNEON}}},
	peak: peakLoop{2 * 4 * 16, peakNEON},
}

func available() []*kernels { return []*kernels{&neon, &generic} }

func best() *kernels { return &neon }
