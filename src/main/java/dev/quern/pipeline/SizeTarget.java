package dev.quern.pipeline;

import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How large a model may be, in one of two measures. */
public sealed interface SizeTarget {
    /** A size that cannot be read; the message says what was expected. */
    final class Unreadable extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Unreadable(String problem) {
            super(problem);
        }
    }

    /** Bytes of whole files, of all parts together. */
    record FileBytes(long most) implements SizeTarget {
        private static final Pattern SIZE = Pattern.compile("(\\d{1,15}(?:\\.\\d{1,9})?)\\s*([KMGT]?)(I?)B?");

        /**
         * {@code 4.2GB} is decimal, {@code 3900MiB} binary; a number alone is bytes.
         *
         * @throws Unreadable when it is no size
         */
        public static FileBytes parse(String text) {
            Matcher matcher = SIZE.matcher(text.strip().toUpperCase(Locale.ROOT));
            if (!matcher.matches()
                    || matcher.group(2).isEmpty() && !matcher.group(3).isEmpty()) {
                throw new Unreadable("expected a size such as 4.2GB or 3900MiB, found '" + text + "'");
            }
            int power = "KMGT".indexOf(matcher.group(2)) + (matcher.group(2).isEmpty() ? 0 : 1);
            double bytes = Double.parseDouble(matcher.group(1))
                    * Math.pow(matcher.group(3).isEmpty() ? 1000 : 1024, power);
            if (!(bytes >= 1 && bytes < 0x1p62)) {
                throw new Unreadable("expected 1 byte or more, less than 2^62, found '" + text + "'");
            }
            return new FileBytes((long) bytes);
        }

        @Override
        public long of(List<OutputPlan> outputs) {
            return outputs.stream().mapToLong(plan -> plan.layout().fileSize()).sum();
        }

        @Override
        public long most(List<OutputPlan> outputs) {
            return most;
        }
    }

    /** Bits of tensor data for each parameter. */
    record BitsPerWeight(double most) implements SizeTarget {
        @Override
        public long of(List<OutputPlan> outputs) {
            return outputs.stream()
                    .flatMap(plan -> plan.tensors().stream())
                    .mapToLong(PlannedTensor::bytes)
                    .sum();
        }

        @Override
        public long most(List<OutputPlan> outputs) {
            return (long) Math.floor(
                    most * outputs.stream().mapToLong(OutputPlan::parameters).sum() / 8);
        }
    }

    /** The bytes that count. */
    long of(List<OutputPlan> outputs);

    /** How many there may be of them. */
    long most(List<OutputPlan> outputs);
}
