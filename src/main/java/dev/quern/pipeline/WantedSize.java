package dev.quern.pipeline;

import dev.quern.allocation.Floors;
import dev.quern.quantization.FileType;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * How large an output may be, and how its tensors' types are found.
 *
 * @param floors the user's; behind them stand the defaults
 * @param windows of the text on which types are tried at most; empty for as many as are affordable
 * @param types of each tensor that are tried in the model at most; empty for as many as are affordable
 */
public record WantedSize(SizeTarget target, List<Floors.Floor> floors, OptionalInt windows, OptionalInt types) {
    /** Those among which the nearest is looked for: the usual one of each number of bits. */
    private static final List<FileType> USUAL =
            List.of(FileType.Q2_K, FileType.Q3_K_M, FileType.Q4_K_M, FileType.Q5_K_M, FileType.Q6_K, FileType.Q8_0);

    public WantedSize {
        floors = List.copyOf(floors);
    }

    /** What changes bytes, for people and for records. */
    public SequencedMap<String, String> recorded() {
        SequencedMap<String, String> options = new LinkedHashMap<>();
        switch (target) {
            case SizeTarget.FileBytes(long most) -> options.put("target_size", "" + most);
            case SizeTarget.BitsPerWeight(double most) -> options.put("target_bpw", "" + most);
        }
        if (!floors.isEmpty()) {
            List<String> texts = floors.stream()
                    .map(floor -> floor.pattern() + "=" + floor.type())
                    .toList();
            options.put("floors", String.join(" ", texts));
        }
        windows.ifPresent(most -> options.put("influence_chunks", "" + most));
        types.ifPresent(most -> options.put("influence_types", "" + most));
        return options;
    }

    /** The type among the usual ones whose own mix is nearest in size to the target. */
    public FileType nearest(Function<FileType, List<OutputPlan>> plans) {
        FileType nearest = USUAL.getFirst();
        long distance = Long.MAX_VALUE;
        for (FileType type : USUAL) {
            List<OutputPlan> planned = plans.apply(type);
            long off = Math.abs(target.of(planned) - target.most(planned));
            if (off < distance) {
                distance = off;
                nearest = type;
            }
        }
        return nearest;
    }
}
