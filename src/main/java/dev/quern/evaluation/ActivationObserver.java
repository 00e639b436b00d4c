package dev.quern.evaluation;

/** Is told what goes into a forward pass's products. */
@FunctionalInterface
interface ActivationObserver {
    /**
     * @param tensor the weight's name
     * @param window which of the call's windows, in order
     * @param squares for each matrix of the tensor (expert) and each input column the sum of x² over the window's tokens;
     *     shared by weights of one input
     * @param counts the window's tokens that each matrix saw
     */
    void seen(String tensor, int window, double[][] squares, long[] counts);
}
