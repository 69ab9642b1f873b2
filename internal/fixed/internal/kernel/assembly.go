//go:build !purego && (amd64 || arm64)

package kernel

// greyBlock is how many pixels Grey takes at a time.
const greyBlock = 16

//go:noescape
func applyGrey(a *grey)

//go:noescape
func applySobel(a *sobel)

//go:noescape
func applyLargest(a *largest)

//go:noescape
func applyLeast(a *least)

//go:noescape
func applyColumn(a *column)

//go:noescape
func applyRow(a *row)

//go:noescape
func applyCurve(a *curve)

//go:noescape
func applyStrengths(a *strengths)

//go:noescape
func applyMean(a *mean)

//go:noescape
func applyExcess(a *excess)
