/** Codes chosen together: what a layer computes on real inputs changes least, not each weight. */
@NullMarked
package dev.quern.compensation;

import org.jspecify.annotations.NullMarked;
