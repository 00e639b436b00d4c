package dev.quern.compensation;

/** What {@link CodeTile} leaves to the kind of a type's codes: how they are found, and how they become blocks. */
sealed interface TileCodes permits ScalarCodes, LatticeCodes {
    /** First scales for a row, by a search that takes each value for itself. */
    void searchScales(float[] row, int lane);

    /**
     * GPTQ's step for columns of one stretch and 16 rows: what is chosen first is rounded with what the errors of those
     * before ask for.
     *
     * @param values to be met; become the chosen ones
     * @param owed what earlier columns' errors ask for; later columns of the stretch are added to
     * @param error receives the values that were to be met less the chosen ones
     * @param at where the stretch's first column lies for these rows
     * @param first the stretch's first column, in the moments' order
     * @param groups for each column in that order where its scale lies
     * @param square how an error at a column changes what is owed at another
     */
    void propagate(
            float[] values, float[] owed, float[] error, int at, int first, int count, int[] groups, float[] square);

    /**
     * Coordinate descent's step for one group and 16 rows: its scale, and then its codes, each with all others as they
     * are.
     *
     * @param first the group's first column
     * @param square the moments among the group's columns
     * @param gradient of half the error by each column's value, with the sign turned: what the columns' errors ask for
     * @param change what values have lost in this pass; added to
     */
    void descend(int lanes, int first, float[] square, float[] value, float[] gradient, float[] change);

    /** The blocks of a row whose values are some codes' values. */
    void write(float[] values, int lane, byte[] out, int to);
}
