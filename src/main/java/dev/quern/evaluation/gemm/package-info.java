/** Products of float matrices for the forward pass: a register tile, the panels it reads and the loops around it. */
@NullMarked
package dev.quern.evaluation.gemm;

import org.jspecify.annotations.NullMarked;
