//go:build purego || !(amd64 || arm64)

package kernel

// Without assembly nothing below is ever called.
const block, sobelBlock, wordBlock, greyBlock = Lane, Lane, Lane, Lane

func applyGrey(*grey) {}

func applySobel(*sobel) {}

func applyLargest(*largest) {}

func applyLeast(*least) {}

func applyColumn(*column) {}

func applyRow(*row) {}

func applyCurve(*curve) {}

func applyStrengths(*strengths) {}

func applyMean(*mean) {}

func applyExcess(*excess) {}
