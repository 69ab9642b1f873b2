package pretrain

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"cull/internal/container"
	"cull/internal/regular"
	"cull/trainer/internal/recipe"
)

// Kind and version of a checkpoint file.
const (
	checkpointKind    = "ckpt"
	checkpointVersion = 1
)

// ErrLarge reports a run whose state no checkpoint holds.
var ErrLarge = errors.New("the run is too large for a checkpoint")

// Errors of Restore.
var (
	ErrRecipe   = errors.New("checkpoint of another recipe")
	ErrPictures = errors.New("checkpoint of other pictures")
)

// state lists everything a step changes, as live slices.
func (r *Run) state() [][]float32 {
	var all [][]float32
	for _, p := range r.params {
		all = append(all, p.W)
	}
	all = append(all, r.trunk.Statistics()...)
	for _, t := range r.terms {
		all = append(all, t.State()...)
	}
	all = append(all, r.opt.State()...)
	if r.average != nil {
		all = append(all, r.average.W, r.average.T)
	}
	all = append(all, r.ranges...)
	return all
}

// kept is a recipe as a checkpoint keeps it: all of it but the folder where the teacher lies,
// whose digest is in it.
func kept(r *recipe.Recipe) *recipe.Recipe {
	c := *r
	if c.Teacher.Model != "" {
		c.Teacher.Model = filepath.Base(c.Teacher.Model)
	}
	if len(c.Discriminant.Channels) == 0 { // checkpoints of before this key have none
		c.Discriminant = recipe.Discriminant{}
	}
	return &c
}

// otherTraining says in what two recipes train other weights, empty if in nothing. The discriminants
// are computed behind the finished trunk, so a trained checkpoint can be finished with others.
func otherTraining(a, b *recipe.Recipe) string {
	a, b = kept(a), kept(b)
	a.Discriminant, b.Discriminant = recipe.Discriminant{}, recipe.Discriminant{}
	return a.Difference(b)
}

// Checkpoint returns the run's state.
func (r *Run) Checkpoint() ([]byte, error) {
	id, err := json.Marshal(kept(r.Recipe))
	if err != nil {
		return nil, fmt.Errorf("pretrain: checkpoint: %w", err)
	}
	step := binary.LittleEndian.AppendUint64(nil, uint64(r.step))
	all, size := r.state(), 0
	for _, s := range all {
		size += 4 * len(s)
	}
	if size >= container.MaxSize {
		return nil, fmt.Errorf("pretrain: %w: weights and what the optimiser keeps are %d bytes, want less than %d",
			ErrLarge, size, container.MaxSize)
	}
	state := make([]byte, 0, size)
	for _, s := range all {
		for _, v := range s {
			state = binary.LittleEndian.AppendUint32(state, math.Float32bits(v))
		}
	}
	curve, err := json.Marshal(&r.record)
	if err != nil {
		return nil, fmt.Errorf("pretrain: checkpoint: %w", err)
	}
	sections := []container.Section{
		{Name: "recipe", Data: id},
		{Name: "text", Data: []byte(r.Text)},
		{Name: "step", Data: step},
		{Name: "state", Data: state},
		{Name: "curve", Data: curve},
	}
	if r.pictures != nil {
		sections = append(sections, container.Section{Name: "pictures", Data: r.pictures})
	}
	b, err := container.Encode(checkpointKind, checkpointVersion, sections)
	if err != nil {
		return nil, fmt.Errorf("pretrain: checkpoint: %w", err)
	}
	return b, nil
}

// Save writes a checkpoint: a file beside the target, synced, then renamed, so the
// last good one stays when the disk is full.
func (r *Run) Save(path string) error {
	b, err := r.Checkpoint()
	if err != nil {
		return err
	}
	if err := container.WriteFile(path, b); err != nil {
		return fmt.Errorf("pretrain: checkpoint: %w", err)
	}
	return nil
}

// A Checkpoint is a parsed checkpoint file.
type Checkpoint struct {
	Recipe *recipe.Recipe
	Text   string
	step   uint64
	state  []byte
	record *recorder // nil in files of before there were curves

	pictures []byte // their identity; nil without a folder and in files of before it was kept
}

// Images is the number of samples shown, and of the whole run.
func (c *Checkpoint) Images() (n, of int64) {
	b := int64(c.Recipe.Training.Batch)
	return int64(c.step) * b, (c.Recipe.Training.Images + b - 1) / b * b
}

// OpenCheckpoint reads a checkpoint file.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	b, err := regular.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pretrain: checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(b)
	if err != nil {
		return nil, fmt.Errorf("pretrain: checkpoint %s: %w", path, err)
	}
	return c, nil
}

// ParseCheckpoint reads a checkpoint.
func ParseCheckpoint(b []byte) (*Checkpoint, error) {
	f, err := container.Parse(b, checkpointKind, checkpointVersion)
	if err != nil {
		return nil, err
	}
	var parts [4][]byte
	for i, name := range []string{"recipe", "text", "step", "state"} {
		if parts[i], err = f.Section(name); err != nil {
			return nil, err
		}
	}
	c := &Checkpoint{Recipe: &recipe.Recipe{}, Text: string(parts[1]), state: parts[3]}
	c.Recipe.Discriminant = recipe.Default().Discriminant
	if err := json.Unmarshal(parts[0], c.Recipe); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	if err := c.Recipe.Check(); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	if len(parts[2]) != 8 {
		return nil, fmt.Errorf("step: %w", container.ErrCorrupted)
	}
	c.step = binary.LittleEndian.Uint64(parts[2])
	if b, err := f.Section("curve"); err == nil {
		c.record = &recorder{}
		if err := json.Unmarshal(b, c.record); err != nil {
			return nil, fmt.Errorf("curve: %w", container.ErrCorrupted)
		}
	}
	if b, err := f.Section("pictures"); err == nil {
		c.pictures = b
	}
	return c, nil
}

// Restore brings a new run of the same training to the checkpoint's state.
func (r *Run) Restore(c *Checkpoint) error {
	if other := otherTraining(r.Recipe, c.Recipe); other != "" {
		return fmt.Errorf("pretrain: %w (%s)", ErrRecipe, other)
	}
	if r.pictures != nil && c.pictures != nil && !bytes.Equal(r.pictures, c.pictures) {
		return fmt.Errorf("pretrain: data.folder: %s: %w: their names or sizes differ", r.folder, ErrPictures)
	}
	n := 0
	for _, s := range r.state() {
		n += len(s)
	}
	record := c.record
	if record == nil {
		record = &r.record
	}
	if len(c.state) != 4*n || len(record.Sum) != 0 && len(record.Sum) != len(r.terms) || c.step > uint64(r.steps()) {
		return fmt.Errorf("pretrain: checkpoint: %w", container.ErrCorrupted)
	}
	b := c.state
	for _, s := range r.state() {
		for i := range s {
			s[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
			b = b[4:]
		}
	}
	r.step, r.record = int(c.step), *record
	r.resumeAware()
	return nil
}
