/** Results as tables for people, JSON and Markdown for machines. */
@NullMarked
package dev.quern.report;

import org.jspecify.annotations.NullMarked;
