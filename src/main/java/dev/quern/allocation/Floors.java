package dev.quern.allocation;

import dev.quern.quantization.QuantType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Types that tensors shall not go below. A type is not below another when it has as many bits for a weight.
 *
 * @param floors the first whose pattern is found in a tensor's name holds
 */
public record Floors(List<Floor> floors) {
    /**
     * What holds where the user says nothing: a text meets few of the embedding's rows and asks for few of the output
     * matrix's, and few tokens go through any one expert, so that what is measured says least of these.
     */
    public static final List<Floor> DEFAULTS = List.of(
            new Floor(Pattern.compile("^output\\.weight$"), QuantType.Q4_K),
            new Floor(Pattern.compile("token_embd\\.weight$"), QuantType.Q3_K),
            new Floor(Pattern.compile("_exps\\.weight$"), QuantType.Q2_K));

    /** Of tensors whose name contains a match. */
    public record Floor(Pattern pattern, QuantType type) {}

    public Floors {
        floors = List.copyOf(floors);
    }

    /** The user's, and behind them the defaults. */
    public static Floors of(List<Floor> asked) {
        List<Floor> floors = new ArrayList<>(asked);
        floors.addAll(DEFAULTS);
        return new Floors(floors);
    }

    public Optional<Floor> of(String tensor) {
        return floors.stream()
                .filter(floor -> floor.pattern().matcher(tensor).find())
                .findFirst();
    }

    public boolean allows(String tensor, QuantType type) {
        return of(tensor)
                .map(floor -> type.bitsPerWeight() >= floor.type().bitsPerWeight())
                .orElse(true);
    }
}
