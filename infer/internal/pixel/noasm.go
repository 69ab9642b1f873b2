//go:build purego || !(amd64 || arm64)

package pixel

// Without assembly nothing below is ever called.

const vectorsName = ""

func vectors() bool { return false }

func applyPick(*pick) {}

func applyRow(*row) {}

func applyColumns(*columns) {}

func applyRGB(*planes) {}

func applyInterleave(*planes) {}
