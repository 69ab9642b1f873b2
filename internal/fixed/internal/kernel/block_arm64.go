//go:build !purego

package kernel

// Bytes of a register, pixels that Sobel takes at a time, and words.
const block, sobelBlock, wordBlock = 16, 8, 8
