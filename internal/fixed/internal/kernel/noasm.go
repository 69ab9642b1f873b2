//go:build purego || !(amd64 || arm64)

package kernel

// Without assembly nothing below is ever called.
const block, sobelBlock, greyBlock = Lane, Lane, Lane

func applyGrey(*grey) {}

func applySobel(*sobel) {}

func applyLargest(*largest) {}

func applyLeast(*least) {}
