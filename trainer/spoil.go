package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cull/internal/dataset"
	"cull/trainer/internal/spoil"
)

const spoilUsage = `usage: cull-trainer spoil [options] -o DIR DATASET

Draws defects on the good test pictures of a data set (MVTec AD (2) or BTAD layout, a category or a
folder of them) and writes DIR/KIND/CATEGORY in MVTec AD's layout, with masks:
cull eval DIR/KIND says how well they are seen.

  -o DIR       output; must not exist, or be empty
  --kinds K,K  pit, speck, stain, colour, blur, copy, scratch (all of these); or a drift, which changes
               each picture as a whole and has no masks: defocus, displaced, smear, grain
  --size N     side of the pictures in pixels, 128 to 2048 (256)
  --least N    bad pictures of a category at least; each good one is used as often as that takes (40), once for a drift
  --seed N     of the drawing (1)
`

// A spoilJob is a parsed command line.
type spoilJob struct {
	out, data string
	kinds     []spoil.Kind
	opts      spoil.Options
}

func runSpoil(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	j, err := parseSpoil(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, spoilUsage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "cull-trainer: %v\nhint: cull-trainer spoil -h\n", err)
		return exitUsage
	}
	switch err := j.run(ctx, stderr); {
	case errors.Is(err, context.Canceled):
		return fail(stderr, errors.New("interrupted: nothing is kept"), "")
	case err != nil:
		return fail(stderr, err, "")
	}
	return exitOK
}

func parseSpoil(args []string) (*spoilJob, error) {
	j := &spoilJob{kinds: spoil.Defects}
	f := flag.NewFlagSet("spoil", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&j.out, "o", "", "")
	f.IntVar(&j.opts.Size, "size", 256, "")
	f.IntVar(&j.opts.Least, "least", 40, "")
	f.Uint64Var(&j.opts.Seed, "seed", 1, "")
	f.Func("kinds", "", func(v string) error {
		j.kinds = nil
		for name := range strings.SplitSeq(v, ",") {
			k := spoil.Kind(name)
			if !slices.Contains(spoil.Defects, k) && !slices.Contains(spoil.Drifts, k) {
				return fmt.Errorf("%q is no kind of defect or drift", name)
			}
			if slices.Contains(j.kinds, k) {
				return fmt.Errorf("%s is named twice", name)
			}
			j.kinds = append(j.kinds, k)
		}
		return nil
	})
	var err error
	if j.data, err = parse(f, args); err != nil {
		return nil, err
	}
	switch o := j.opts; {
	case j.out == "":
		return nil, errors.New("no output: -o DIR is missing")
	case j.data == "":
		return nil, errors.New("no data set: DATASET is missing")
	case o.Size < 128 || o.Size > 2048:
		return nil, fmt.Errorf("--size %d is not in 128..2048: defects would fall between its pixels", o.Size)
	case o.Least < 1 || o.Least > 1e6:
		return nil, fmt.Errorf("--least %d is not in 1..1000000", o.Least)
	}
	return j, nil
}

func (j *spoilJob) run(ctx context.Context, progress io.Writer) error {
	sets, err := dataset.Open(j.data)
	if err != nil {
		return err
	}
	return writeDir(j.out, func(dir string) error {
		for _, k := range j.kinds {
			for _, c := range sets {
				fmt.Fprintf(progress, "%s on %s\n", k, c.Name)
				to := filepath.Join(dir, string(k), c.Name)
				if err := os.MkdirAll(to, 0o755); err != nil {
					return err
				}
				if err := spoil.Write(ctx, to, c, k, j.opts); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
