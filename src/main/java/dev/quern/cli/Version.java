package dev.quern.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** What this build is: version and commit, as the build recorded them. */
public final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
        return new String[] {
            "quern " + text(), "Java " + System.getProperty("java.vm.version") + ", " + System.getProperty("os.arch")
        };
    }

    /** {@code 0.1.0 (commit 1234abc)} */
    static String text() {
        Properties properties = new Properties();
        try (InputStream in = Version.class.getResourceAsStream("/dev/quern/build.properties")) {
            if (in == null) {
                return "(unknown version)";
            }
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version") + " (commit " + properties.getProperty("commit") + ")";
    }
}
