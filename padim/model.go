package padim

// A Model is what was learnt from good parts. It is immutable and may be used
// by several scorers at a time.
type Model struct{}

// ScorerOptions are the choices of a scorer.
type ScorerOptions struct {
	Threads int // 0: one. The scores do not depend on it.
}

// A Scorer scores pictures one at a time.
type Scorer struct{}

// NewScorer returns a scorer of m with buffers of its own.
func (m *Model) NewScorer(o ScorerOptions) (*Scorer, error) { return nil, nil }

// Check returns an error unless maps have the stages, shapes and steps the
// model was taught with.
func (m *Model) Check(maps []Map) error { return nil }

// Score judges one picture. It allocates nothing. It panics where Check would
// fail.
func (s *Scorer) Score(maps []Map) Result { return Result{} }

// Resize writes m, bilinearly interpolated between cell centres, to dst [h][w].
func (m ScoreMap) Resize(dst []float32, h, w int) {}

// AppendBinary appends the model's bytes, doc/format-product.md, to b.
func (m *Model) AppendBinary(b []byte) ([]byte, error) { return b, nil }

// Parse reads a model written by AppendBinary. Large arrays alias data.
func Parse(data []byte) (*Model, error) { return nil, nil }
