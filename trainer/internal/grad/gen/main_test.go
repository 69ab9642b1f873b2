package main

import (
	"testing"

	"cull/internal/asmgen/asmtest"
)

func TestCommittedAssemblyIsTheGenerators(t *testing.T) { asmtest.Current(t, files()) }

func TestWordsAreTheirMnemonics(t *testing.T) {
	text, _ := arm64()
	asmtest.Words(t, text)
}
