package asmgen

// Instructions that Go's assembler does not know and more than one generator uses, by their encoding in the Arm
// Architecture Reference Manual, each with its mnemonic. The name ends in the arrangement of the result.

// Fmul4s is d = n * m.
func (e *Emitter) Fmul4s(d, n, m int) {
	e.Word(Three(0x6e20dc00, d, n, m), "fmul v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

// Fadd4s is d = n + m.
func (e *Emitter) Fadd4s(d, n, m int) {
	e.Word(Three(0x4e20d400, d, n, m), "fadd v%d.4s, v%d.4s, v%d.4s", d, n, m)
}

// Scvtf4s is d = float32(n).
func (e *Emitter) Scvtf4s(d, n int) {
	e.Word(Three(0x4e21d800, d, n, 0), "scvtf v%d.4s, v%d.4s", d, n)
}

// Smlal4s is d += n * m of the lower halves.
func (e *Emitter) Smlal4s(d, n, m int) {
	e.Word(Three(0x0e608000, d, n, m), "smlal v%d.4s, v%d.4h, v%d.4h", d, n, m)
}

// Smlal24s is d += n * m of the upper halves.
func (e *Emitter) Smlal24s(d, n, m int) {
	e.Word(Three(0x4e608000, d, n, m), "smlal2 v%d.4s, v%d.8h, v%d.8h", d, n, m)
}
