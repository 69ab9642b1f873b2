package table

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cull/capture/replay"
	"cull/infer"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/trainer/internal/adapt"
	"cull/trainer/internal/discriminant"
	"cull/trainer/internal/pictures"
)

// measureAdapted evaluates each category with a network of its own: the built-in one adapted to its good training
// parts, or as it is where that is refused, which the row's note counts.
func (o *Options) measureAdapted(
	ctx context.Context, r *Row, res *Result, sets []dataset.Category, seed uint64,
) (*evaluate.Report, error) {
	e := o.evaluation(r, res, nil, seed)
	all := new(evaluate.Report)
	for i := range sets {
		m, err := o.adapted(ctx, &sets[i], seed)
		switch {
		case errors.Is(err, adapt.ErrNoGain) || errors.Is(err, adapt.ErrTooFew) ||
			errors.Is(err, discriminant.ErrConstant) || errors.Is(err, discriminant.ErrNoDefect):
			m = o.Shipped
			res.Note += fmt.Sprintf("; %s, seed %d: %v", sets[i].Name, seed, err)
		case err != nil:
			return nil, err
		}
		res.note(m)
		e.Model = m
		report, err := evaluate.Run(ctx, sets[i:i+1], e)
		if err != nil {
			return nil, err
		}
		all.Categories = append(all.Categories, report.Categories...)
	}
	all.Mean = evaluate.MeanOf(all.Categories)
	return all, nil
}

// adapted returns the network of a category and seed, from the folder of an earlier run or made anew.
func (o *Options) adapted(ctx context.Context, set *dataset.Category, seed uint64) (*infer.Model, error) {
	a := adapt.Defaults()
	a.Size, a.Seed, a.Threads, a.SpoolDir = o.Size, seed, o.Threads, o.SpoolDir
	if o.Images > 0 {
		a.Defects = int(o.Images)
	}
	train := dataset.Subset(set.Train, o.Train, seed)
	name, err := adaptedName(o.Shipped, set.Name, train, a)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, "nets", name)
	if m, err := infer.Open(path); !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	parts, err := pictures.Prepare(ctx, replay.New(adapt.Draw(train, seed)), a.Size)
	if err != nil {
		return nil, err
	}
	done := 0
	a.Progress = func() {
		done++
		o.progress(fmt.Sprintf("adapt, seed %d, %s", seed, set.Name), "train", done, adapt.Fits*a.Defects)
	}
	result, err := adapt.Run(ctx, o.Shipped, parts, a)
	if err != nil && result != nil {
		return nil, fmt.Errorf("%w: %v", err, result.Gain)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if err := result.Model.WriteFile(path); err != nil {
		return nil, err
	}
	return infer.Open(path)
}

// adaptedName is the name of the file of what parent becomes by those pictures and options.
func adaptedName(parent *infer.Model, set string, train []string, a adapt.Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%x %d %d\n", parent.Digest(), a.Size, a.Defects)
	for _, path := range train {
		if err := identify(h, path, ""); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("adapt-%s-seed%d-%x.net", strings.ReplaceAll(set, "/", "-"), a.Seed, h.Sum(nil)[:6]), nil
}
