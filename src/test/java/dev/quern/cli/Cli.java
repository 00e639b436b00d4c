package dev.quern.cli;

import dev.quern.gguf.GgufFile;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Runs a command in this JVM as the launcher would, and keeps what it said. */
final class Cli {
    private Cli() {}

    record Run(int code, String out, String err) {
        /** The first line on stderr. */
        String firstError() {
            return err.lines().findFirst().orElse("");
        }
    }

    /** Not for tests in parallel: the streams are the process's own. */
    static synchronized Run run(Object... arguments) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        try {
            System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
            int code = Quern.run(Stream.of(arguments).map(String::valueOf).toArray(String[]::new));
            return new Run(code, said.toString(StandardCharsets.UTF_8), complained.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** The command line of a JVM of its own that runs Quern. */
    static ProcessBuilder process(Object... arguments) {
        Stream<String> java = Stream.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.quern.cli.Quern");
        return new ProcessBuilder(Stream.concat(java, Arrays.stream(arguments).map(String::valueOf))
                .toList());
    }

    /** Each tensor's type by name. */
    static Map<String, String> types(Path gguf) {
        Map<String, String> types = new TreeMap<>();
        try (GgufFile file = GgufFile.open(gguf)) {
            file.tensors()
                    .forEach((name, tensor) -> types.put(name, tensor.type().name()));
        }
        return types;
    }
}
