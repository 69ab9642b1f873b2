package pretrain

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"cull/trainer/internal/recipe"
)

// training.winograd changes roundings only: the same bytes for any threads and interruptions, the direct run's
// loss nearly; a recipe without it is the one it was.
func TestWinograd(t *testing.T) {
	text := strings.Replace(small, "settle = 2", "settle = 2\nwinograd = true", 1)
	whole := start(t, text, 1)
	last := train(t, whole, -1)
	if !bytes.Equal(file(t, cut(t, text, 2, 5)), file(t, whole)) {
		t.Error("two threads and interruptions give other bytes than a whole run")
	}
	direct := start(t, small, 1)
	if got, want := last.Losses[0].Value, train(t, direct, -1).Losses[0].Value; got == want || math.Abs(got-want) > 1e-3*want {
		t.Errorf("loss %v, by direct convolutions %v: want near, not equal", got, want)
	}
	r, err := recipe.Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := json.Marshal(r); err != nil || bytes.Contains(bytes.ToLower(raw), []byte("winograd")) {
		t.Errorf("a checkpoint's identity has changed: %s, %v", raw, err)
	}
}
