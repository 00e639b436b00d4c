package dev.quern.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A fixed number of threads, the caller's among them, that share out numbered tasks. Which thread takes which task is
 * chance; a task must write only what is its own, so that the results are not.
 */
final class Workers implements AutoCloseable {
    /** One task; {@code worker} says whose scratch it may use. */
    interface Task {
        void run(int index, int worker);
    }

    private final int threads;
    private final ExecutorService others;

    Workers(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads);
        }
        this.threads = threads;
        this.others = Executors.newFixedThreadPool(
                Math.max(1, threads - 1),
                Thread.ofPlatform().name("evaluation-", 1).daemon().factory());
    }

    int threads() {
        return threads;
    }

    /** Runs tasks 0 … count-1 and returns when all are done; the first failure is thrown, after the others have stopped. */
    void each(int count, Task task) {
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> running = new ArrayList<>();
        for (int worker = 1; worker < Math.min(threads, count); worker++) {
            int who = worker;
            running.add(others.submit(() -> drain(next, count, task, who)));
        }
        RuntimeException failure = null;
        try {
            drain(next, count, task, 0);
        } catch (RuntimeException e) {
            failure = e;
        }
        for (Future<?> future : running) {
            RuntimeException thrown = outcome(future);
            failure = failure == null ? thrown : failure;
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static void drain(AtomicInteger next, int count, Task task, int worker) {
        try {
            for (int index = next.getAndIncrement(); index < count; index = next.getAndIncrement()) {
                task.run(index, worker);
            }
        } catch (Throwable e) {
            next.set(count);
            throw e;
        }
    }

    private static @Nullable RuntimeException outcome(Future<?> future) {
        try {
            future.get();
            return null;
        } catch (ExecutionException e) {
            return e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void close() {
        others.shutdownNow();
    }
}
