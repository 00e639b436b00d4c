package dev.quern.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs several commands in one process, so that one record of starts (the JVM's ahead-of-time cache, JEP 514, or its
 * class-data archive) holds the classes of them all: {@code inspect FILE -- man convert}. For whoever builds Quern.
 */
final class StartTraining {
    private StartTraining() {}

    /** @param args command lines with {@code --} between them */
    public static void main(String[] args) {
        List<String> words = new ArrayList<>(Arrays.asList(args));
        words.add("--");
        int code = 0;
        while (!words.isEmpty()) {
            int end = words.indexOf("--");
            code = Math.max(code, Quern.run(words.subList(0, end).toArray(String[]::new)));
            words.subList(0, end + 1).clear();
        }
        System.exit(code);
    }
}
