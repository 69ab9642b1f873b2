//go:build !purego && (amd64 || arm64)

package pixel

//go:noescape
func applyPick(a *pick)

//go:noescape
func applyRow(a *row)

//go:noescape
func applyColumns(a *columns)

//go:noescape
func applyRGB(a *planes)

//go:noescape
func applyInterleave(a *planes)
