//go:build !purego

package kernel

// Numbers of a register, and pixels that Sobel takes at a time.
const block, sobelBlock = 32, 16
