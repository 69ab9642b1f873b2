package control

// handmadeChannels are the channels at strides 4, 8 and 16.
var handmadeChannels = [BankStages]int{10, 6, 6}

// handmade is a small set of textbook filters at three scales: luma, opponent
// colours, extremes, signed gradients, gradient magnitude, difference of
// Gaussians and local deviation. The last but one scale sees the picture at half,
// the last at a quarter of its size.
type handmade struct{ bank *Bank }

// maps works like Bank.Maps.
func (m handmade) maps(rgb []uint8, h, w int) [BankStages][]float32 {
	b := m.bank
	light, rg, by := b.plane(h, w), b.plane(h, w), b.plane(h, w)
	for i := range light.v {
		r, g, l := float32(rgb[3*i])/255, float32(rgb[3*i+1])/255, float32(rgb[3*i+2])/255
		light.v[i] = (r + g + l) / 3
		rg.v[i] = r - g
		by.v[i] = float32((r+g)/2) - l
	}
	var out [BankStages]stack
	for s := range out {
		k := 4 << s
		out[s] = stack{h: h / k, w: w / k, n: handmadeChannels[s]}
		out[s].v = make([]float32, out[s].h*out[s].w*out[s].n)
	}
	m.scale(&out[0], light)
	for _, p := range []plane{
		b.mean(rg, 4), b.mean(by, 4),
		b.extreme(light, 4, darker), b.extreme(light, 4, brighter),
	} {
		out[0].add(p)
		b.drop(p)
	}
	half := b.mean(light, 2)
	quarter := b.mean(half, 2)
	m.scale(&out[1], half)
	m.scale(&out[2], quarter)
	b.drop(light, rg, by, half, quarter)
	return [BankStages][]float32{out[0].values(Offset), out[1].values(Offset), out[2].values(Offset)}
}

// scale adds six channels of p at a quarter of its size: mean, deviation (log),
// signed gradients in x and y, gradient magnitude (log) and difference of Gaussians.
func (m handmade) scale(out *stack, p plane) {
	b := m.bank
	mean := b.mean(p, 4)
	square := b.plane(p.h, p.w)
	for i, v := range p.v {
		square.v[i] = v * v
	}
	deviation := b.mean(square, 4)
	for i, v := range deviation.v {
		deviation.v[i] = sqrt(max(0, v-float32(mean.v[i]*mean.v[i])))
	}
	gx, gy := b.gradient(p, 1)
	magnitude := square
	for i := range magnitude.v {
		magnitude.v[i] = sqrt(float32(gx.v[i]*gx.v[i]) + float32(gy.v[i]*gy.v[i]))
	}
	fine, blurred := b.blur(p, 1), b.blur(p, 2)
	for i := range fine.v {
		fine.v[i] -= blurred.v[i]
	}
	x, y, energy, spot := b.mean(gx, 4), b.mean(gy, 4), b.mean(magnitude, 4), b.mean(fine, 4)
	out.add(mean)
	out.addLog(deviation)
	out.add(x)
	out.add(y)
	out.addLog(energy)
	out.add(spot)
	b.drop(mean, deviation, square, gx, gy, fine, blurred, x, y, energy, spot)
}

// gradient is the first Gaussian derivative of deviation s, times s.
func (b *Bank) gradient(p plane, s float32) (x, y plane) {
	f := b.filters[s]
	hg, hd := b.rows(p, f.g, even), b.rows(p, f.d, odd)
	x, y = b.columns(hd, f.g, even), b.columns(hg, f.d, odd)
	b.drop(hg, hd)
	return x, y
}

func (b *Bank) blur(p plane, s float32) plane {
	h := b.rows(p, b.filters[s].g, even)
	v := b.columns(h, b.filters[s].g, even)
	b.drop(h)
	return v
}

// extreme picks one value of every k x k block.
func (b *Bank) extreme(p plane, k int, pick func(a, b float32) float32) plane {
	out := b.plane(p.h/k, p.w/k)
	for y := range out.h {
		for x := range out.w {
			best := p.v[y*k*p.w+x*k]
			for j := range k {
				for _, v := range p.v[(y*k+j)*p.w+x*k:][:k] {
					best = pick(best, v)
				}
			}
			out.v[y*out.w+x] = best
		}
	}
	return out
}

func darker(a, b float32) float32   { return min(a, b) }
func brighter(a, b float32) float32 { return max(a, b) }
