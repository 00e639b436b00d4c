package dev.quern.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What g++ 12's library draws from std::mt19937(1), and what the C++ standard says of the default seed. */
class MersenneTwisterTest {
    @Test
    void numbers() {
        MersenneTwister random = new MersenneTwister(1);
        assertThat(List.of(random.next(), random.next(), random.next()))
                .containsExactly(1791095845L, 4282876139L, 3093770124L);
        MersenneTwister standard = new MersenneTwister(5489);
        for (int i = 1; i < 10_000; i++) {
            standard.next();
        }
        // [rand.predef]: the 10000th of a default-constructed mt19937.
        assertThat(standard.next()).isEqualTo(4123659995L);
    }

    @Test
    void uniform() {
        MersenneTwister random = new MersenneTwister(1);
        assertThat(IntStream.range(0, 10).mapToObj(i -> random.uniform(10 - i)))
                .containsExactly(4L, 8L, 5L, 6L, 0L, 0L, 1L, 2L, 0L, 0L);
        // A bound that makes it draw again now and then.
        MersenneTwister large = new MersenneTwister(1);
        assertThat(IntStream.range(0, 12).mapToObj(i -> large.uniform(3_000_000_001L - i)))
                .containsExactly(
                        1251065995L,
                        2991554424L,
                        2797672082L,
                        906997702L,
                        277015786L,
                        1189742176L,
                        558780632L,
                        1163732218L,
                        1036682172L,
                        2009238115L,
                        1190302402L,
                        2806617208L);
    }

    @Test
    void scaledWithTheLastPutInTheGap() {
        MersenneTwister random = new MersenneTwister(1);
        List<Integer> left = new ArrayList<>(IntStream.range(0, 100).boxed().toList());
        List<Integer> drawn = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            int at = random.scaled(left.size());
            drawn.add(left.get(at));
            left.set(at, left.getLast());
            left.removeLast();
        }
        assertThat(drawn).containsExactly(41, 98, 70, 90, 0, 12, 28, 92, 13, 21);
    }
}
