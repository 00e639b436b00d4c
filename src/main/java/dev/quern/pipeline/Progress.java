package dev.quern.pipeline;

/** Hears how far a long step has come. Called from several threads. */
public interface Progress {
    Progress SILENT = new Progress() {
        @Override
        public void begin(String step, long total) {}

        @Override
        public void advance(long amount) {}

        @Override
        public void end() {}
    };

    /** @param total how much there is to do, in bytes of input unless the step says otherwise */
    void begin(String step, long total);

    void advance(long amount);

    void end();
}
