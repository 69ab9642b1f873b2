// Package control holds feature extractors without training: what a network has to
// beat.
package control
