package commands

import (
	"os"
	"testing"

	"cull/reject/pulse"
)

func TestMain(m *testing.M) {
	pulse.Child() // this binary may be the pulse process
	os.Exit(m.Run())
}
