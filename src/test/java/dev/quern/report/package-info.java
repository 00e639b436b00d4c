@NullMarked
package dev.quern.report;

import org.jspecify.annotations.NullMarked;
