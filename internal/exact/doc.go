// Package exact computes exp, log, sin, cos, pow, atan2 and normal deviates
// with the same bits on every CPU.
//
// math.Exp, math.Log and their kin have assembly on some architectures, and the
// compiler fuses x*y + z into one rounding on arm64 but not on amd64. Here every
// product that feeds a sum is rounded by an explicit conversion, and nothing but
// the four operations, square root and integer work on the bits is used; IEEE 754
// fixes the result of each.
//
// Errors stated in ulp are measured against math/big in the tests.
package exact
