/** Importance matrices: how strongly each input column of each weight was driven by a calibration text. */
@NullMarked
package dev.quern.importance;

import org.jspecify.annotations.NullMarked;
