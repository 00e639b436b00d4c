package dev.quern.batch;

import dev.quern.io.InputException;
import dev.quern.io.OutputException;
import dev.quern.io.RefusedException;
import dev.quern.io.Shutdown;
import dev.quern.report.RunReport;
import dev.quern.report.RunReport.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** How the steps of one source went, and the source with them. */
final class StepLog {
    private final SourceWork work;
    private final List<RunReport.Step> steps = new ArrayList<>();
    private Status status = Status.UP_TO_DATE;
    private @Nullable String message;
    private @Nullable String hint;

    StepLog(SourceWork work) {
        this.work = work;
    }

    /** Runs a step; a failure is noted, and later steps do what can be done without its result. */
    <T> Optional<T> result(String step, Supplier<T> action) {
        try {
            return Optional.of(action.get());
        } catch (RuntimeException e) {
            Shutdown.awaitWhereFilesAreGone();
            failed(step, e);
        }
        return Optional.empty();
    }

    /** As {@link #result}. @return whether it went well */
    boolean attempt(String step, Runnable action) {
        return result(step, () -> {
                    action.run();
                    return true;
                })
                .isPresent();
    }

    private void failed(String step, RuntimeException error) {
        switch (error) {
            case InputException e -> failed(step, Status.REFUSED, String.valueOf(e.getMessage()), e.hint());
            case RefusedException e -> failed(step, Status.FAILED, String.valueOf(e.getMessage()), e.hint());
            case OutputException e -> failed(step, Status.FAILED, String.valueOf(e.getMessage()), null);
            default -> {
                work.listener().trace(error);
                failed(step, Status.FAILED, "internal error: " + error, "please report this with the trace");
            }
        }
    }

    private void failed(String step, Status how, String problem, @Nullable String advice) {
        work.listener().say("error: " + work.input().name() + ": " + problem);
        if (message == null) {
            message = problem;
            hint = advice;
        }
        steps.add(new RunReport.Step(step, how, 0, problem));
        worsen(how);
    }

    /** Notes a step that went well. */
    void done(String step, Status how, double seconds) {
        steps.add(new RunReport.Step(step, how, seconds, null));
        worsen(how);
    }

    private void worsen(Status how) {
        if (how == Status.FAILED || (how == Status.REFUSED && status != Status.FAILED)) {
            status = how;
        } else if (how == Status.DONE && status == Status.UP_TO_DATE) {
            status = how;
        }
    }

    /** The worst of all steps. */
    Status status() {
        return status;
    }

    boolean isBroken() {
        return status == Status.REFUSED || status == Status.FAILED;
    }

    /** How the last step ended. */
    Status last() {
        return steps.getLast().status();
    }

    List<RunReport.Step> steps() {
        return List.copyOf(steps);
    }

    /** What went wrong first, or null. */
    @Nullable
    String message() {
        return message;
    }

    /** What to do about it, or null. */
    @Nullable
    String hint() {
        return hint;
    }
}
