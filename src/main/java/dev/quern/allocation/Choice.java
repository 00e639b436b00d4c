package dev.quern.allocation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * One tensor and the types among which it gets one.
 *
 * @param candidates at least one
 */
public record Choice(String tensor, List<Candidate> candidates) {
    public Choice {
        candidates = List.copyOf(candidates);
        if (candidates.isEmpty()) {
            throw new IllegalArgumentException("no candidate for " + tensor);
        }
    }

    /** The candidates that no other one beats: each takes more bytes than the one before it, and costs less. */
    public List<Candidate> efficient() {
        List<Candidate> sorted = new ArrayList<>(candidates);
        sorted.sort(Comparator.comparingLong(Candidate::bytes).thenComparingDouble(Candidate::divergence));
        List<Candidate> kept = new ArrayList<>();
        for (Candidate candidate : sorted) {
            if (kept.isEmpty() || candidate.divergence() < kept.getLast().divergence()) {
                kept.add(candidate);
            }
        }
        return List.copyOf(kept);
    }

    long leastBytes() {
        return candidates.stream().mapToLong(Candidate::bytes).min().orElseThrow();
    }
}
