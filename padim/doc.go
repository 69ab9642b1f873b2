// Package padim teaches a Gaussian for every cell of good parts' feature maps (Fit), scores
// pictures by their Mahalanobis distance from it (Model, Scorer), chooses a threshold from
// left-out scores (Threshold) and gives verdicts (Gate). The method is PaDiM (Defard et al.,
// ICPR 2020) with shared covariance, regions and search; doc/method.md has the formulas and
// what each is worth. The same bits on every CPU.
package padim
