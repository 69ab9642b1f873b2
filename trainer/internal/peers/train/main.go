// Train measures training steps of the shipped recipe's network against PyTorch on the CPU, the convolutions
// against the peak of their instructions, and the making of samples: make bench-train.
//
// Both sides start from the same weights and see the same pictures and targets; the loss is half the mean square of
// the taps' distance from the targets. Before anything is timed, loss and gradients must agree within the tolerances below.
package main

import (
	"flag"
	"fmt"
	"os"

	"cull/trainer/internal/recipe"
)

// The losses may differ by so much of their value. Our gradients may be so far, by Euclidean norm, from those that
// PyTorch computes in float64, or so many times as far as PyTorch's own in float32: a rounding that moves a value
// across a ReLU's corner moves the gradient by more than a rounding.
const (
	lossTolerance     = 1e-5
	gradientTolerance = 1e-3
	gradientTimes     = 2.0
)

func main() {
	path := flag.String("recipe", "recipes/shipped.toml", "recipe")
	folder := flag.String("folder", "", "pictures of data.folder; none: procedural surfaces only")
	python := flag.String("python", "/usr/bin/python3", "Python with torch and numpy")
	script := flag.String("script", "trainer/internal/peers/train/torch_step.py", "the peer")
	rounds := flag.Int("rounds", 7, "turns of every contestant")
	flag.Parse()
	r, text, err := recipe.Read(*path)
	if err == nil {
		b := bench{recipe: r, text: text, folder: *folder, python: *python, script: *script, rounds: *rounds}
		err = b.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-train:", err)
		os.Exit(1)
	}
}

// A bench is what is measured, and how often.
type bench struct {
	recipe         *recipe.Recipe
	text, folder   string
	python, script string
	rounds         int
}

func (b *bench) run() error {
	for _, size := range []int{96, 128} {
		if err := b.steps(size); err != nil {
			return err
		}
		b.convolutions(size, false)
		b.convolutions(size, true)
		if err := b.samples(size); err != nil {
			return err
		}
	}
	return nil
}
