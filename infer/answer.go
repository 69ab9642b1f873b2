package infer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unsafe"
)

// ErrAnswer reports a known answer that this CPU does not reproduce.
var ErrAnswer = errors.New("known answer not reproduced: do not trust this board or file")

// An Answer is one known-answer vector: the digest of all taps for the test picture of Seed.
type Answer struct {
	H      int    `json:"h"`
	W      int    `json:"w"`
	Seed   uint64 `json:"seed"`
	SHA256 string `json:"sha256"` // hex; per tap in order: H, W, C as uint32 little-endian, then Data
}

// TestPicture fills in, [h][w][3], with the picture of an Answer: the bytes of
// SplitMix64 started at seed, eight per output, lowest first; a byte 0x80
// (-128, which does not occur) becomes -127.
func TestPicture(in []int8, seed uint64) {
	var word uint64
	for i := range in {
		if i%8 == 0 {
			seed += 0x9e3779b97f4a7c15
			z := seed
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			word = z ^ z>>31
		}
		in[i] = max(int8(word), -127)
		word >>= 8
	}
}

// Answer runs the test picture of seed: two answers of one runner differ only
// if its memory or the CPU is faulty. The maps of an earlier Run are overwritten.
func (r *Runner) Answer(seed uint64) Answer {
	p := &r.plan.planes[0]
	in := make([]int8, r.length)
	TestPicture(in, seed)
	return Answer{p.H, p.W, seed, digest(r.Run(in))}
}

// answer computes the answer for one size and seed.
func (m *Model) answer(h, w, threads int, seed uint64) (Answer, error) {
	r, err := m.NewRunner(h, w, Options{Threads: threads})
	if err != nil {
		return Answer{}, err
	}
	defer r.Close()
	return r.Answer(seed), nil
}

func digest(maps []Map) string {
	sum := sha256.New()
	var size [12]byte
	for _, f := range maps {
		binary.LittleEndian.PutUint32(size[0:], uint32(f.H))
		binary.LittleEndian.PutUint32(size[4:], uint32(f.W))
		binary.LittleEndian.PutUint32(size[8:], uint32(f.C))
		sum.Write(size[:])
		sum.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f.Data))), len(f.Data)))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// checkAnswers reports answers that take more time or memory than a start may: the device replays all of them.
func (m *Model) checkAnswers() error {
	if len(m.Answers) > maxAnswers {
		return fmt.Errorf("%d answers, at most %d", len(m.Answers), maxAnswers)
	}
	work := int64(0)
	for i, a := range m.Answers {
		if a.H < 1 || a.W < 1 || a.H > maxAsked || a.W > maxAsked {
			return fmt.Errorf("answer %d: picture of %d x %d pixels: want 1 to %d", i, a.H, a.W, maxAsked)
		}
		shapes, err := m.Graph.Shapes(a.H, a.W)
		if err != nil {
			continue // costs nothing: SelfTest says what it is
		}
		for k, n := range m.Graph.Nodes[1:] {
			work += int64(shapes[k+1].Len()) * int64(cost(&n, shapes[n.In[0]].C))
			if work > maxWork {
				return fmt.Errorf("answer %d: more than %d multiply-accumulates or the like up to there: too long for a self-test", i, int64(maxWork))
			}
		}
	}
	return nil
}

// AddAnswers appends the answers of this CPU for pictures of h x w pixels.
func (m *Model) AddAnswers(h, w int, seeds ...uint64) error {
	for _, seed := range seeds {
		a, err := m.answer(h, w, 1, seed)
		if err != nil {
			return err
		}
		m.Answers = append(m.Answers, a)
	}
	return nil
}

// SelfTest replays all known answers with the given number of threads. The
// error wraps ErrAnswer when a result differs.
func (m *Model) SelfTest(threads int) error {
	for i, want := range m.Answers {
		got, err := m.answer(want.H, want.W, threads, want.Seed)
		if err != nil {
			return fmt.Errorf("infer: answer %d: %w", i, err)
		}
		if got != want {
			return fmt.Errorf("infer: answer %d (%d x %d, seed %d, kernel %s): %w",
				i, want.H, want.W, want.Seed, Kernel(), ErrAnswer)
		}
	}
	return nil
}
