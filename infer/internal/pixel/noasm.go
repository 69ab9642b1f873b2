//go:build purego || !(amd64 || arm64)

package pixel

// Without assembly nothing below is ever called.

func applyPick(*pick) {}

func applyRow(*row) {}

func applyColumns(*columns) {}

func applyRGB(*planes) {}

func applyInterleave(*planes) {}
