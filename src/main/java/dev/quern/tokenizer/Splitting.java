package dev.quern.tokenizer;

/**
 * One step of a pre-tokenizer: cuts stretches of a text into smaller ones. Bounds are indices of code points. A stretch
 * is seen by itself: nothing that is looked for reaches over its ends.
 */
interface Splitting {
    /** Adds the end of each part of {@code [from, to)}, the last of them {@code to}; none for an empty stretch. */
    void split(Source source, int from, int to, IntList ends);

    /** The text that is cut, and what the steps make of it once for all. */
    final class Source {
        final int[] codePoints;
        final int length;
        private @org.jspecify.annotations.Nullable String collapsed;

        Source(DecodedText text) {
            codePoints = text.codePoints;
            length = text.length;
        }

        /** The text with each code point as one character; see {@link CollapsedPattern}. */
        String collapsed() {
            String made = collapsed;
            if (made == null) {
                made = CollapsedPattern.collapse(codePoints, length);
                collapsed = made;
            }
            return made;
        }
    }
}
