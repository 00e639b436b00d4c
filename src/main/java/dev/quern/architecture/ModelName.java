package dev.quern.architecture;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a model's id says about it, e.g. {@code meta-llama/Llama-2-7b-chat-hf}: organization, base name, size, finetune
 * and version. The reading is gguf-py's (gguf 0.19, {@code Metadata.get_model_id_components}), because the keys and the
 * default file name that follow from it are a convention that people search by.
 */
public record ModelName(
        String fullName,
        Optional<String> organization,
        Optional<String> basename,
        Optional<String> finetune,
        Optional<String> version,
        Optional<String> sizeLabel) {

    private enum Role {
        BASENAME,
        SIZE_LABEL,
        FINETUNE,
        VERSION,
        TYPE
    }

    private static final Pattern VERSION = Pattern.compile("(v|iter)?\\d+([.]\\d+)*", Pattern.CASE_INSENSITIVE);
    private static final Pattern QUANT_TYPE = Pattern.compile("i?q\\d(_\\w)*|b?fp?(16|32)", Pattern.CASE_INSENSITIVE);
    private static final Pattern SIZE = Pattern.compile(
            "((A|\\d+x)?\\d+([._]\\d+)?[KMBT]\\d?|small|mini|medium|large|x?xl)", Pattern.CASE_INSENSITIVE);
    private static final Pattern FINETUNE = Pattern.compile("chat|instruct|vision|lora", Pattern.CASE_INSENSITIVE);
    private static final Pattern KEPT_AS_IT_IS = Pattern.compile("(v\\d+(?:\\.\\d+)*|\\d.*)");

    /** @param parameters the model's parameter count, 0 when unknown: a "7b" far from it is no size but a context length */
    public static ModelName of(String id, long parameters) {
        if (id.contains(" ")) {
            // A sentence, not an id.
            return new ModelName(
                    id, Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
        }
        int slash = id.indexOf('/');
        String organization = slash < 0 ? null : id.substring(0, slash);
        String fullName = id.substring(slash + 1);
        if (organization != null && organization.startsWith(".")) {
            organization = null;
        }
        List<Part> parts = annotate(fullName, parameters);
        dropWordSizes(parts);
        markBasename(parts);
        Optional<String> basename = joined(parts, Role.BASENAME);
        Optional<String> sizeLabel = joined(parts, Role.SIZE_LABEL);
        Optional<String> finetune = joined(parts, Role.FINETUNE);
        String versions = parts.stream()
                .filter(part -> part.roles.contains(Role.VERSION) && !part.roles.contains(Role.BASENAME))
                .map(part -> part.text)
                .collect(Collectors.joining("-"));
        Optional<String> version = Optional.of(versions).filter(text -> !text.isEmpty());
        boolean ambiguous = sizeLabel.isEmpty() && finetune.isEmpty() && version.isEmpty();
        return new ModelName(
                fullName,
                Optional.ofNullable(organization),
                ambiguous ? Optional.empty() : basename,
                finetune,
                version,
                sizeLabel);
    }

    /** "tolstoy-4m" as a title: "Tolstoy 4m". Words with a capital, versions and numbers stay as they are. */
    public static String title(String id) {
        return Arrays.stream(id.replace('-', ' ').strip().split("\\s+"))
                .map(word -> isLowerCase(word) && !KEPT_AS_IT_IS.matcher(word).matches() ? capitalized(word) : word)
                .collect(Collectors.joining(" "));
    }

    private static boolean isLowerCase(String word) {
        return word.chars().anyMatch(Character::isLowerCase) && word.chars().noneMatch(Character::isUpperCase);
    }

    /** Every letter that follows no letter becomes a capital, as Python's str.title does it. */
    private static String capitalized(String word) {
        StringBuilder out = new StringBuilder();
        boolean afterLetter = false;
        for (int i = 0; i < word.length(); i++) {
            char c = word.charAt(i);
            out.append(afterLetter ? c : Character.toTitleCase(c));
            afterLetter = Character.isLetter(c);
        }
        return out.toString();
    }

    private static final class Part {
        String text;
        final Set<Role> roles = EnumSet.noneOf(Role.class);

        Part(String text) {
            this.text = text;
        }
    }

    private static List<Part> annotate(String fullName, long parameters) {
        List<Part> parts = new ArrayList<>();
        for (String text : fullName.split("-", -1)) {
            if (text.isEmpty()) {
                continue;
            }
            Part part = new Part(text);
            boolean first = parts.isEmpty();
            if (VERSION.matcher(text).matches()) {
                part.roles.add(Role.VERSION);
            } else if (QUANT_TYPE.matcher(text).matches()) {
                part.roles.add(Role.TYPE);
                part.text = text.toUpperCase(java.util.Locale.ROOT);
            } else if (!first && SIZE.matcher(text).matches()) {
                annotateSize(part, parameters);
            } else if (!first && FINETUNE.matcher(text).matches()) {
                part.roles.add(Role.FINETUNE);
            }
            parts.add(part);
        }
        return parts;
    }

    private static void annotateSize(Part part, long parameters) {
        String text = part.text.replace('_', '.');
        int last = text.length() - 1;
        if (Character.isDigit(text.charAt(last))) {
            // bloom-7b1 means 7.1B.
            text = text.substring(0, last - 1) + "." + text.charAt(last) + text.charAt(last - 1);
            last = text.length() - 1;
        }
        if (last > 0 && Character.isDigit(text.charAt(last - 1)) && "kmbt".indexOf(text.charAt(last)) >= 0) {
            text = text.substring(0, last) + Character.toUpperCase(text.charAt(last));
        }
        OptionalDouble label = labelled(text);
        if (parameters > 0
                && label.isPresent()
                && Math.abs(label.getAsDouble() - parameters) > Math.floorDiv(7 * parameters, 8)) {
            part.roles.add(Role.FINETUNE);
            text = text.substring(0, last) + Character.toLowerCase(text.charAt(last));
        }
        if (part.roles.isEmpty()) {
            part.roles.add(Role.SIZE_LABEL);
        }
        part.text = text;
    }

    private static OptionalDouble labelled(String size) {
        try {
            int thousands = " KMBT".indexOf(size.charAt(size.length() - 1));
            double number = Double.parseDouble(size.substring(0, size.length() - 1));
            return OptionalDouble.of(number * Math.pow(1000, thousands));
        } catch (NumberFormatException e) {
            return OptionalDouble.empty(); // 8x7B, A3B, small
        }
    }

    private static void dropWordSizes(List<Part> parts) {
        boolean numbered = parts.stream()
                .anyMatch(part -> part.roles.contains(Role.SIZE_LABEL)
                        && part.text.chars().anyMatch(Character::isDigit));
        if (numbered) {
            parts.stream()
                    .filter(part -> part.text.chars().allMatch(Character::isLetter))
                    .forEach(part -> part.roles.remove(Role.SIZE_LABEL));
        }
    }

    private static void markBasename(List<Part> parts) {
        boolean atStart = true;
        for (Part part : parts) {
            boolean plain = part.roles.isEmpty();
            if (atStart && ((plain && Character.isLetter(part.text.charAt(0))) || part.roles.contains(Role.VERSION))) {
                part.roles.add(Role.BASENAME);
            } else {
                atStart = false;
                if (plain) {
                    part.roles.add(Role.FINETUNE);
                }
            }
        }
        for (Part part : parts.reversed()) {
            if (!part.roles.contains(Role.BASENAME) || part.roles.size() == 1) {
                break;
            }
            part.roles.remove(Role.BASENAME);
        }
    }

    private static Optional<String> joined(List<Part> parts, Role role) {
        Stream<String> texts =
                parts.stream().filter(part -> part.roles.contains(role)).map(part -> part.text);
        // A size said twice is one size.
        String text = (role == Role.SIZE_LABEL ? texts.distinct() : texts).collect(Collectors.joining("-"));
        return Optional.of(text).filter(t -> !t.isEmpty());
    }

    /** {@code 6.7B}, {@code 124M}: at least two significant digits. */
    public static String sizeLabel(long parameters) {
        double scaled;
        char unit;
        if (parameters > 1e12) {
            scaled = parameters * 1e-12;
            unit = 'T';
        } else if (parameters > 1e9) {
            scaled = parameters * 1e-9;
            unit = 'B';
        } else if (parameters > 1e6) {
            scaled = parameters * 1e-6;
            unit = 'M';
        } else {
            scaled = parameters * 1e-3;
            unit = 'K';
        }
        String whole = Long.toString((long) Math.rint(scaled));
        int digits = whole.equals("0") ? 0 : whole.length();
        int fraction = Math.max(2 - digits, 0);
        return new java.math.BigDecimal(scaled)
                        .setScale(fraction, java.math.RoundingMode.HALF_EVEN)
                        .toPlainString()
                + unit;
    }

    /** GGUF's naming convention: {@code tolstoy-4M-F16}, without the ending. */
    public static String fileName(
            @Nullable String name,
            @Nullable String basename,
            @Nullable String sizeLabel,
            @Nullable String finetune,
            @Nullable String version,
            String type) {
        StringBuilder out = new StringBuilder(dashed(basename != null ? basename : name != null ? name : "ggml-model")
                .replace('/', '-'));
        if (sizeLabel != null) {
            out.append('-').append(sizeLabel);
        }
        if (finetune != null) {
            out.append('-').append(dashed(finetune));
        }
        if (version != null) {
            out.append('-').append(dashed(version));
        }
        return out.append('-').append(dashed(type)).toString();
    }

    private static String dashed(String text) {
        return text.strip().replace(' ', '-');
    }
}
