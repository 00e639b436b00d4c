package dev.quern.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WriteTurnsTest {
    /** Every part is written once, one at a time, with the bytes that it was brought with. */
    @Test
    void everyPartIsWrittenOnce() throws Exception {
        int threads = 4;
        int parts = 5000;
        WriteTurns turns = new WriteTurns();
        AtomicBoolean busy = new AtomicBoolean();
        AtomicInteger atOnce = new AtomicInteger();
        List<Integer> written = Collections.synchronizedList(new ArrayList<>());
        try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
            List<Future<?>> futures = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                int first = thread * parts;
                futures.add(pool.submit(() -> {
                    byte[] own = new byte[4];
                    for (int i = first; i < first + parts; i++) {
                        if (own.length < 4) {
                            own = new byte[4];
                        }
                        own[0] = (byte) (i >> 16);
                        own[1] = (byte) (i >> 8);
                        own[2] = (byte) i;
                        byte[] bytes = own;
                        own = turns.write(new WriteTurns.Part(bytes, () -> {
                            if (!busy.compareAndSet(false, true)) {
                                atOnce.incrementAndGet();
                            }
                            written.add((bytes[0] & 0xff) << 16 | (bytes[1] & 0xff) << 8 | bytes[2] & 0xff);
                            busy.set(false);
                        }));
                    }
                }));
            }
            for (Future<?> future : futures) {
                future.get(60, TimeUnit.SECONDS);
            }
        }
        assertThat(atOnce).hasValue(0);
        assertThat(written).hasSize(threads * parts).doesNotHaveDuplicates();
    }

    @Test
    void whoComesMeanwhileDoesNotWait() throws Exception {
        WriteTurns turns = new WriteTurns();
        CountDownLatch writing = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        Thread slow = Thread.ofPlatform()
                .start(() -> turns.write(new WriteTurns.Part(new byte[1], () -> {
                    writing.countDown();
                    try {
                        end.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    order.add("slow");
                })));
        writing.await();
        byte[] own = new byte[1];
        byte[] other = turns.write(new WriteTurns.Part(own, () -> order.add("left")));
        assertThat(other).isNotSameAs(own);
        assertThat(order).isEmpty();
        end.countDown();
        slow.join();
        assertThat(order).containsExactly("slow", "left");
        assertThat(turns.write(new WriteTurns.Part(own, () -> order.add("own"))))
                .isSameAs(own);
        assertThat(order).containsExactly("slow", "left", "own");
    }

    @Test
    void aFailureGoesToTheThreadThatWrites() {
        WriteTurns turns = new WriteTurns();
        WriteTurns.Part bad = new WriteTurns.Part(new byte[1], () -> {
            throw new IllegalStateException("disk");
        });
        assertThatThrownBy(() -> turns.write(bad)).hasMessage("disk");
        List<String> order = new ArrayList<>();
        turns.write(new WriteTurns.Part(new byte[1], () -> order.add("next")));
        assertThat(order).containsExactly("next");
    }
}
