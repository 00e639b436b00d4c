package dev.quern.evaluation;

/** How many heads there are, how long they are, and so how wide the rows are that hold them side by side. */
interface Heads {
    /** Of queries. */
    int heads();

    /** Of keys and values; each serves {@code heads / keyValueHeads} query heads. */
    int keyValueHeads();

    /** Floats of a head of queries and keys. */
    int keyLength();

    /** Floats of a head of values. */
    int valueLength();

    default int queryWidth() {
        return heads() * keyLength();
    }

    default int keyWidth() {
        return keyValueHeads() * keyLength();
    }

    default int valueWidth() {
        return keyValueHeads() * valueLength();
    }

    /** Floats of all heads' results. */
    default int attendedWidth() {
        return heads() * valueLength();
    }
}
