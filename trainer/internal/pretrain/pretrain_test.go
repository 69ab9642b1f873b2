package pretrain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"cull/internal/container"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/recipe"
)

// small is a run of 8 steps on procedural surfaces, with every kind of loss.
const small = `
name = "small"
seed = 5
[data]
size = 32
reuse = 2
[network]
width = 8
blocks = [1, 1, 1]
[loss]
form = 1.0
direct = 0.3
indirect = 0.5
[loss.L_indirect]
rank = 0.2
[training]
images = 32
batch = 4
settle = 2
[quantise]
pictures = 4
size = 32
`

func start(t *testing.T, text string, threads int) *Run {
	t.Helper()
	r, err := recipe.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	run, err := New(r, text, "", threads)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// train trains until step (or the end) and returns the last progress.
func train(t *testing.T, r *Run, step int) (last Progress) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := r.Train(ctx, func(p Progress) error {
		last = p
		if r.step == step {
			cancel()
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return last
}

func file(t *testing.T, r *Run) []byte {
	t.Helper()
	m, err := r.Finish(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameBytesForAnyNumberOfThreadsAndInterruptions(t *testing.T) {
	whole := start(t, small, 1)
	train(t, whole, -1)
	want := file(t, whole)

	threads := start(t, small, 3)
	train(t, threads, -1)
	if !bytes.Equal(file(t, threads), want) {
		t.Error("three threads give other bytes than one")
	}

	if !bytes.Equal(file(t, cut(t, small, 1, 3, 6)), want) {
		t.Error("an interrupted run gives other bytes than a whole one")
	}
}

// cut trains to the end with interruptions after the given steps.
func cut(t *testing.T, text string, steps ...int) *Run {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.ckpt")
	r := start(t, text, 2)
	for _, step := range steps {
		train(t, r, step)
		if r.step != step {
			t.Fatalf("stopped at step %d, want %d", r.step, step)
		}
		if err := r.Save(path); err != nil {
			t.Fatal(err)
		}
		c, err := OpenCheckpoint(path)
		if err != nil {
			t.Fatal(err)
		}
		r = start(t, text, 2)
		if err := r.Restore(c); err != nil {
			t.Fatal(err)
		}
	}
	train(t, r, -1)
	return r
}

// Goroutines of very different speed: the order is the seeds' all the same.
func TestFeedKeepsTheOrderOfSeeds(t *testing.T) {
	one, many := start(t, small, 1), start(t, small, 7)
	want, err := one.take(32, false, 0, 3*depth)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := many.take(32, false, 0, 3*depth)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if !bytes.Equal(got[i].image, want[i].image) {
				t.Fatalf("item %d is another sample", i)
			}
		}
	}
}

func TestTrainingLowersTheLoss(t *testing.T) {
	text := string(bytes.Replace([]byte(small), []byte("images = 32"), []byte("images = 480"), 1))
	r := start(t, text, 2)
	var first, last [3]float64
	n := 0
	if err := r.Train(context.Background(), func(p Progress) error {
		for i, l := range p.Losses {
			if n < 10 {
				first[i] += l.Value
			} else if n >= r.steps()-10 {
				last[i] += l.Value
			}
		}
		n++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, f := range first {
		if !(last[i] < f) {
			t.Errorf("loss %d: %.4g at first, %.4g at last", i, f/10, last[i]/10)
		}
	}
}

func TestCheckpointOfAnotherRecipeIsRefused(t *testing.T) {
	a := start(t, small, 1)
	b, err := a.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(b)
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, string(bytes.Replace([]byte(small), []byte("form = 1.0"), []byte("form = 0.9"), 1)), 1)
	if err := other.Restore(c); !errors.Is(err, ErrRecipe) || !strings.Contains(err.Error(), "loss.form is 0.9, there 1.0") {
		t.Errorf("error %v, want ErrRecipe and the key", err)
	}
	watched := start(t, small, 1) // how often it is looked at changes nothing
	watched.Recipe.Training.Validate = 8
	if err := watched.Restore(c); err != nil {
		t.Error(err)
	}
}

// A run goes on with the pictures it was trained on, wherever they lie. Checkpoints of before there was an identity go on
// with any.
func TestCheckpointOfOtherPicturesIsRefused(t *testing.T) {
	for _, text := range []string{
		strings.Replace(small, "[network]", "folder = \"x\"\n[network]", 1),
		"[data]\nfolder = \"x\"\n[loss]\nform = 0.0\nindirect = 0.0\nclass = 1.0\n",
	} {
		r, err := recipe.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		folder := func(names ...string) string {
			dir := t.TempDir()
			for _, n := range names {
				n, size, _ := strings.Cut(n, " ")
				n = filepath.Join(dir, filepath.FromSlash(n))
				if err := errors.Join(os.MkdirAll(filepath.Dir(n), 0o700), os.WriteFile(n, []byte(size), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			return dir
		}
		open := func(dir string) *Run {
			run, err := New(r, text, dir, 1)
			if err != nil {
				t.Fatal(err)
			}
			return run
		}
		run := open(folder("a/1.png x", "b/1.png yy"))
		b, err := run.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCheckpoint(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := open(folder("a/1.png z", "b/1.png yy", "b/notes.txt n")).Restore(c); err != nil {
			t.Errorf("the same pictures elsewhere: %v", err)
		}
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(folder("a/1.png x", "b/1.png yy"), link); err != nil {
			t.Fatal(err)
		}
		t.Chdir(filepath.Dir(link))
		for _, dir := range []string{link, "link"} {
			if err := open(dir).Restore(c); err != nil {
				t.Errorf("the same pictures by the link %s: %v", dir, err)
			}
		}
		for _, other := range [][]string{
			{"a/1.png x", "b/1.png yyy"},
			{"a/1.png x", "b/2.png yy"},
			{"a/1.png x", "b/1.png yy", "b/2.png y"},
		} {
			dir := folder(other...)
			if err := open(dir).Restore(c); !errors.Is(err, ErrPictures) || !strings.Contains(err.Error(), "data.folder: "+dir) {
				t.Errorf("%v: %v", other, err)
			}
		}
		run.pictures = nil
		if b, err = run.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if c, err = ParseCheckpoint(b); err != nil {
			t.Fatal(err)
		}
		if err := open(folder("a/1.png", "c/1.png")).Restore(c); err != nil {
			t.Errorf("a checkpoint without identity: %v", err)
		}
	}
}

func TestDivergenceIsAnError(t *testing.T) {
	r := start(t, small, 1)
	r.params[0].W[0] = float32(math.NaN())
	err := r.Train(context.Background(), func(Progress) error { return nil })
	if !errors.Is(err, ErrDiverged) {
		t.Errorf("error %v, want ErrDiverged", err)
	}
}

// A file that may not grow any more stands for a full disk.
func TestFullDiskLeavesTheLastGoodCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ckpt")
	r := start(t, small, 1)
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	train(t, r, 1)
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 8192, Max: limit.Max}); err != nil {
		t.Skip(err)
	}
	err := r.Save(path)
	if e := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); e != nil {
		t.Fatal(e)
	}
	if err == nil {
		t.Fatal("saving beyond the limit did not fail")
	}
	c, err := OpenCheckpoint(path)
	if err != nil {
		t.Fatalf("the last good checkpoint is gone: %v", err)
	}
	if c.step != 0 {
		t.Errorf("step %d, want the first checkpoint's", c.step)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// large is a term whose state fills a file; nothing touches its memory.
type large struct{ loss.Term }

func (large) State() [][]float32 { return [][]float32{make([]float32, container.MaxSize/4)} }

func TestTooLargeForACheckpoint(t *testing.T) {
	r := start(t, small, 1)
	r.terms[0].Term = large{r.terms[0].Term}
	if _, err := r.Checkpoint(); !errors.Is(err, ErrLarge) || !strings.Contains(err.Error(), "want less than 1073741824") {
		t.Error(err)
	}
}

func TestCheckpointTruncatedAtEveryByte(t *testing.T) {
	b, err := start(t, small, 1).Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(b); n += 1 + n/64 {
		if _, err := ParseCheckpoint(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes parse", n, len(b))
		}
	}
}

// A FIFO, as checkpoint or teacher, is refused, not waited for.
func TestOnlyFilesAreRead(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "a.ckpt")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "a.ckpt: not a regular file"
	if _, err := OpenCheckpoint(fifo); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	r, err := recipe.Parse(taught(fifo, ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(r, "", "", 1); !errors.Is(err, ErrTeacher) || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	r, err := recipe.Parse(small)
	if err != nil {
		f.Fatal(err)
	}
	run, err := New(r, small, "", 1)
	if err != nil {
		f.Fatal(err)
	}
	b, err := run.Checkpoint()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:4096])
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCheckpoint(b); err == nil {
			_ = run.Restore(c)
		}
	})
}

// Classification needs no score: fractals, then pictures by their folder.
func TestClassificationTrains(t *testing.T) {
	const classes = `
name = "classes"
[network]
width = 8
blocks = [1, 1, 1]
[loss]
form = 0.0
indirect = 0.0
class = 1.0
[training]
images = 96
batch = 8
settle = 2
[quantise]
pictures = 4
size = 32
`
	r := start(t, classes+"[data]\nsize = 32\nfractals = 3\n", 2)
	var first, last float64
	err := r.Train(context.Background(), func(p Progress) error {
		if first == 0 {
			first = p.Losses[0].Value
		}
		last = p.Losses[0].Value
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.terms[0].Name() != "class" || !(last < first) {
		t.Errorf("cross-entropy from %v to %v", first, last)
	}
}
