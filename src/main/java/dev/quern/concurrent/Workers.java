package dev.quern.concurrent;

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
public final class Workers implements AutoCloseable {
    /** One task; {@code worker} says whose scratch it may use. */
    public interface Task {
        void run(int index, int worker);
    }

    private final int threads;
    private final ExecutorService others;

    /** @param name what the threads are called, before their numbers */
    public Workers(int threads, String name) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads);
        }
        this.threads = threads;
        this.others = Executors.newFixedThreadPool(
                Math.max(1, threads - 1),
                Thread.ofPlatform().name(name + "-", 1).daemon().factory());
    }

    public int threads() {
        return threads;
    }

    /**
     * Runs tasks 0 … count-1, begun in this order, and returns when all are done. After a failure no further task is
     * begun, and it is thrown when those under way have ended: nobody works any more with what the caller closes then,
     * not even after an interrupt, which waits until then too.
     */
    public void each(int count, Task task) {
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> running = new ArrayList<>();
        for (int worker = 1; worker < Math.min(threads, count); worker++) {
            int who = worker;
            running.add(others.submit(() -> drain(next, count, task, who)));
        }
        Throwable failure = null;
        try {
            drain(next, count, task, 0);
        } catch (RuntimeException | Error e) {
            failure = e;
        }
        for (Future<?> future : running) {
            Throwable thrown = outcome(future);
            failure = failure == null ? thrown : failure;
        }
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new IllegalStateException(e);
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

    private static @Nullable Throwable outcome(Future<?> future) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    future.get();
                    return null;
                } catch (ExecutionException e) {
                    return e.getCause();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public void close() {
        others.shutdownNow();
    }
}
