package table

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cull/infer"
	"cull/internal/regular"
	"cull/recipes"
	"cull/synth"
	"cull/trainer/internal/pictures"
	"cull/trainer/internal/pretrain"
	"cull/trainer/internal/recipe"
)

// train returns a row's network of a seed: from the folder of an earlier run, else trained.
// Its file name has a digest of recipe, length, seed and pictures, so that another
// experiment never finds it.
func (o *Options) train(ctx context.Context, row *Row, seed uint64) (*infer.Model, error) {
	text, err := recipes.Table(row.recipe)
	if err != nil {
		return nil, err
	}
	r, err := recipe.Parse(text)
	if err == nil {
		err = r.Sense(text)
	}
	if err != nil {
		return nil, fmt.Errorf("recipes/table/%s.toml: %w", row.recipe, err)
	}
	r.Seed, r.Data.First = int64(seed), int64(seed)<<40
	if o.Images > 0 {
		r.Training.Images = o.Images
	}
	files, err := row.files(o.Data)
	if err != nil {
		return nil, err
	}
	if row.recipe == Teacher {
		r.Teacher.Model = o.Data[Teacher]
	}
	id, err := fingerprint(text, r, files)
	if err != nil {
		return nil, err
	}
	base := filepath.Join(o.Dir, "nets", fmt.Sprintf("%s-seed%d-%s", row.Name, seed, id))
	o.curves = base + ".curves.json"
	if m, err := infer.Open(base + ".net"); err == nil {
		return m, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var source synth.Source
	if len(files) > 0 {
		if source, err = pictures.New(files); err != nil {
			return nil, err
		}
	}
	run, err := pretrain.NewFrom(r, text, source, o.Threads)
	if err != nil {
		return nil, err
	}
	return o.finish(ctx, row, run, base)
}

// finish trains run to its end, from its checkpoint where one is there.
func (o *Options) finish(ctx context.Context, row *Row, run *pretrain.Run, base string) (*infer.Model, error) {
	if err := os.MkdirAll(filepath.Dir(base), 0o755); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	release, err := pretrain.Lock(base + ".ckpt")
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := pretrain.OpenCheckpoint(base + ".ckpt")
	if err == nil {
		err = run.Restore(c)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	every := time.Duration(run.Recipe.Training.Checkpoint * float64(time.Minute))
	saved := time.Now()
	err = run.Train(ctx, func(p pretrain.Progress) error {
		o.progress(row.Name, "train", int(p.Images), int(p.Of))
		if time.Since(saved) < every {
			return nil
		}
		saved = time.Now()
		return run.Save(base + ".ckpt")
	})
	if !errors.Is(err, pretrain.ErrDiverged) { // also before the end, which takes a minute
		err = errors.Join(err, run.Save(base+".ckpt"))
	}
	if err != nil {
		return nil, err
	}
	m, err := run.Finish(io.Discard)
	if err != nil {
		return nil, err
	}
	if err := run.SaveCurve(base + ".curves.json"); err != nil {
		return nil, err
	}
	if err := m.WriteFile(base + ".net"); err != nil {
		return nil, err
	}
	if err := os.Remove(base + ".ckpt"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("table: %w", err)
	}
	return infer.Open(base + ".net") // the file is what is measured
}

// curve reads the curve of the network trained last; networks of before there were curves have none.
func (o *Options) curve() (*pretrain.Curve, error) {
	b, err := os.ReadFile(o.curves)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var c pretrain.Curve
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("table: %s: %w", o.curves, err)
	}
	return &c, nil
}

// fingerprint is a short digest of everything the weights follow from. Pictures count by
// name and size, a teacher by its bytes: networks of one shape are files of one size.
func fingerprint(text string, r *recipe.Recipe, files []pictures.File) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %d %d %d\n", text, r.Training.Images, r.Seed, r.Data.First)
	if r.Teacher.Model != "" {
		b, err := regular.ReadFile(r.Teacher.Model)
		if err != nil {
			return "", fmt.Errorf("table: %w", err)
		}
		fmt.Fprintf(h, "%q %x\n", filepath.Base(r.Teacher.Model), sha256.Sum256(b)) // a checkpoint keeps to the name too
	}
	for _, f := range files {
		if err := identify(h, f.Path, f.Class); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:6]), nil
}

// identify writes by what a picture counts.
func identify(h io.Writer, path, class string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	fmt.Fprintf(h, "%q %q %d\n", filepath.Base(path), filepath.Base(class), info.Size())
	return nil
}
