package inspect

import (
	"testing"

	"cull/capture"
	"cull/padim"
)

// Taught with a change of light, a product lets good parts in another light pass and still rejects
// the bad ones; taught without, it rejects both.
func TestTaughtLightPasses(t *testing.T) {
	other := func(f *capture.Frame) *capture.Frame {
		for i, v := range f.Pix {
			f.Pix[i] = byte(min(255, 1.15*float64(v)))
		}
		return f
	}
	rejects := func(o Options) (good, bad int) {
		in, report := learn(t, o)
		if report.Parts != 24 {
			t.Fatalf("%d parts, want 24: copies are none", report.Parts)
		}
		for seed := range uint64(10) {
			for _, spot := range []bool{false, true} {
				r, err := in.Inspect(other(part(2000+seed, spot)))
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict == padim.Reject && spot {
					bad++
				} else if r.Verdict == padim.Reject {
					good++
				}
			}
		}
		return good, bad
	}
	o := options(t)
	if good, _ := rejects(o); good < 9 {
		t.Errorf("taught without light: %d of 10 good parts in other light rejected, want nearly all", good)
	}
	o.Light = Light
	if good, bad := rejects(o); good > 1 || bad < 9 {
		t.Errorf("taught with light: %d of 10 good and %d of 10 bad parts rejected", good, bad)
	}
}
