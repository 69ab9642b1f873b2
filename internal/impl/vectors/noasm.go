//go:build purego || !(amd64 || arm64)

package vectors

const needs = ""

var offers []offer
