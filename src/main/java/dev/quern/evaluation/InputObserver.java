package dev.quern.evaluation;

import dev.quern.evaluation.gemm.Packed;

/** Is told what goes into products. */
interface InputObserver {
    /** Does not look. */
    InputObserver NONE = new InputObserver() {
        @Override
        public void seen(Packed input, WeightMatrix... products) {}

        @Override
        public void seenByExperts(Packed input, Routing routing, WeightMatrix... products) {}
    };

    void seen(Packed input, WeightMatrix... products);

    /**
     * @param input a row for each slot
     * @param products one expert's matrices, which lie in the same tensors as the others'
     */
    void seenByExperts(Packed input, Routing routing, WeightMatrix... products);
}
