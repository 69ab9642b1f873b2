package grad

import "math"

// An Optimiser moves parameters against their gradients. Step is always given the
// same parameters in the same order. State is what a checkpoint must keep: the
// slices are live, so filling them restores the optimiser.
type Optimiser interface {
	Step(params []Param, rate float64)
	State() [][]float32
}

// AdamW is Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2):
//
//	m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2
//	w -= rate (m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps) + decay w)
type AdamW struct {
	Beta1, Beta2, Eps, Decay float64

	m, v []float32 // all parameters, one after the other
	t    []float32 // {number of steps}, exact below 2^24
}

// NewAdamW returns an optimiser for the parameters: betas 0.9 and 0.999, eps 1e-8.
func NewAdamW(params []Param, decay float64) *AdamW {
	n := Count(params)
	return &AdamW{0.9, 0.999, 1e-8, decay, make([]float32, n), make([]float32, n), make([]float32, 1)}
}

// Step moves the parameters once.
func (o *AdamW) Step(params []Param, rate float64) {
	o.t[0]++
	t := float64(o.t[0])
	c1, c2 := 1-math.Pow(o.Beta1, t), 1-math.Pow(o.Beta2, t)
	b1, b2 := float32(o.Beta1), float32(o.Beta2)
	step, root, eps := float32(rate/c1), float32(1/math.Sqrt(c2)), float32(o.Eps)
	at := 0
	for _, p := range params {
		decay := float32(0)
		if p.Decay {
			decay = float32(rate * o.Decay)
		}
		m, v := o.m[at:at+len(p.W)], o.v[at:at+len(p.W)]
		at += len(p.W)
		for i, g := range p.G {
			m[i] = b1*m[i] + (1-b1)*g
			v[i] = b2*v[i] + (1-b2)*g*g
			p.W[i] -= step*m[i]/(float32(math.Sqrt(float64(v[i])))*root+eps) + decay*p.W[i]
		}
	}
}

// State returns the moments and the step count.
func (o *AdamW) State() [][]float32 { return [][]float32{o.m, o.v, o.t} }

// SGD is gradient descent with momentum and weight decay:
//
//	u = momentum u + g + decay w, w -= rate u
type SGD struct {
	Momentum, Decay float64

	u []float32
}

// NewSGD returns an optimiser for the parameters.
func NewSGD(params []Param, momentum, decay float64) *SGD {
	return &SGD{momentum, decay, make([]float32, Count(params))}
}

// Step moves the parameters once.
func (o *SGD) Step(params []Param, rate float64) {
	mu, lr := float32(o.Momentum), float32(rate)
	at := 0
	for _, p := range params {
		decay := float32(0)
		if p.Decay {
			decay = float32(o.Decay)
		}
		u := o.u[at : at+len(p.W)]
		at += len(p.W)
		for i, g := range p.G {
			u[i] = mu*u[i] + g + decay*p.W[i]
			p.W[i] -= lr * u[i]
		}
	}
}

// State returns the velocities.
func (o *SGD) State() [][]float32 { return [][]float32{o.u} }

// Count is the number of values in the parameters.
func Count(params []Param) int {
	n := 0
	for _, p := range params {
		n += len(p.W)
	}
	return n
}

// Clip scales all gradients so that their norm is at most limit (none when limit
// is 0) and returns the norm before.
func Clip(params []Param, limit float64) float64 {
	var sum float64
	for _, p := range params {
		for _, g := range p.G {
			sum += float64(g) * float64(g)
		}
	}
	norm := math.Sqrt(sum)
	if limit > 0 && norm > limit {
		k := float32(limit / norm)
		for _, p := range params {
			for i := range p.G {
				p.G[i] *= k
			}
		}
	}
	return norm
}

// An Average is the exponential moving average of parameters:
// a = decay a + (1-decay) w, with decay rising from 0 as (1+t)/(10+t) at first.
type Average struct {
	Decay float64

	W []float32 // all parameters, one after the other
	T []float32 // {number of updates}
}

// NewAverage returns the average of the parameters as they are.
func NewAverage(params []Param, decay float64) *Average {
	a := &Average{Decay: decay, W: make([]float32, 0, Count(params)), T: make([]float32, 1)}
	for _, p := range params {
		a.W = append(a.W, p.W...)
	}
	return a
}

// Update takes in the parameters' present values.
func (a *Average) Update(params []Param) {
	a.T[0]++
	t := float64(a.T[0])
	k := float32(1 - min(a.Decay, (1+t)/(10+t)))
	at := 0
	for _, p := range params {
		for i, w := range p.W {
			a.W[at+i] += k * (w - a.W[at+i])
		}
		at += len(p.W)
	}
}

// Store copies the average into the parameters.
func (a *Average) Store(params []Param) {
	at := 0
	for _, p := range params {
		at += copy(p.W, a.W[at:])
	}
}
