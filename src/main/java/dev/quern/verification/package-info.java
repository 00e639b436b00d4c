/** Whether a finished file is what it should be: hashes and manifests, and every tensor against what it came from. */
@NullMarked
package dev.quern.verification;

import org.jspecify.annotations.NullMarked;
