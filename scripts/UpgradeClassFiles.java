import java.io.IOException;
import java.lang.classfile.ClassElement;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.MethodTransform;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;

/**
 * Gives class files of Java 5 in jars the form of Java 8: the same code with stack maps. The JVM keeps no class of the
 * older form in a record of starts (HotSpot: "Old class has been linked"), and verifies it anew at each one; picocli's
 * are of that form, and made up half of the time that {@code quern --help} took.
 *
 * <pre>java UpgradeClassFiles.java JAR…</pre>
 */
final class UpgradeClassFiles {
    private static final int FIRST_WITH_STACK_MAPS = ClassFile.JAVA_6_VERSION;

    private UpgradeClassFiles() {}

    public static void main(String[] jars) throws IOException {
        for (String jar : jars) {
            upgrade(Path.of(jar));
        }
    }

    /** Leaves a jar alone that has no such class. */
    private static void upgrade(Path jar) throws IOException {
        Path upgraded = jar.resolveSibling(jar.getFileName() + ".tmp");
        try {
            if (upgrade(jar, upgraded)) {
                Files.move(upgraded, jar, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
            }
        } finally {
            Files.deleteIfExists(upgraded);
        }
    }

    private static boolean upgrade(Path jar, Path to) throws IOException {
        boolean changed = false;
        try (URLClassLoader classes = new URLClassLoader(new URL[] {jar.toUri().toURL()});
                ZipInputStream in = new ZipInputStream(Files.newInputStream(jar));
                ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(to))) {
            ClassFile upgrade = ClassFile.of(
                    ClassFile.StackMapsOption.GENERATE_STACK_MAPS,
                    ClassFile.ClassHierarchyResolverOption.of(ClassHierarchyResolver.ofResourceParsing(classes)
                            .orElse(ClassHierarchyResolver.defaultResolver())));
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                byte[] bytes = in.readAllBytes();
                if (entry.getName().endsWith(".class") && version(bytes) < FIRST_WITH_STACK_MAPS) {
                    bytes = upgraded(upgrade, bytes);
                    changed = true;
                }
                ZipEntry kept = new ZipEntry(entry.getName());
                kept.setTime(entry.getTime());
                out.putNextEntry(kept);
                out.write(bytes);
                out.closeEntry();
            }
        }
        return changed;
    }

    /** The major version, which stands behind the magic number and the minor one. */
    private static int version(byte[] classFile) {
        return (classFile[6] & 0xFF) << 8 | classFile[7] & 0xFF;
    }

    private static byte[] upgraded(ClassFile upgrade, byte[] bytes) {
        ClassModel old = upgrade.parse(bytes);
        return upgrade.build(old.thisClass().asSymbol(), builder -> {
            builder.withVersion(ClassFile.JAVA_8_VERSION, 0);
            for (ClassElement element : old) {
                if (element instanceof MethodModel method && method.code().isPresent()) {
                    // Code that goes through a transform gets stack maps; as an element it would be copied as it is.
                    builder.transformMethod(method, MethodTransform.transformingCode((code, each) -> code.with(each)));
                } else if (!(element instanceof ClassFileVersion)) {
                    builder.with(element);
                }
            }
        });
    }
}
