package main

import (
	"testing"

	"cull/internal/asmgen/asmtest"
)

func TestGeneratedFilesAreCurrent(t *testing.T) { asmtest.Current(t, files()) }

func TestWordsAreTheirMnemonics(t *testing.T) { asmtest.Words(t, arm64()) }
