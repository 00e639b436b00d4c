package dev.quern.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The page in a real browser: on a phone and a desk, in the light and in the dark, its plots moved and pressed. */
class PageBrowserTest {
    @TempDir
    Path folder;

    private Path page() throws Exception {
        return Files.writeString(folder.resolve("report.html"), HtmlReport.page(Reports.hostile()));
    }

    @Test
    void phoneAndDeskLightAndDark() throws Exception {
        Path page = page();
        try (Browser browser = Browser.require(folder.resolve("profile"))) {
            byte[] before = new byte[0];
            for (int width : new int[] {390, 1280}) {
                for (boolean dark : new boolean[] {false, true}) {
                    browser.open(page, width, 900, dark);
                    // Nothing is wider than the window: what is wide scrolls by itself.
                    assertThat(browser.evaluate("document.documentElement.scrollWidth"
                                            + " - document.documentElement.clientWidth")
                                    .asInt())
                            .isZero();
                    assertThat(browser.evaluate("quernPlots.length").asInt()).isEqualTo(3);
                    String paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
                            .asString();
                    assertThat(paper).isEqualTo(dark ? "rgb(20, 23, 26)" : "rgb(255, 255, 255)");
                    byte[] now = browser.screenshot();
                    assertThat(now).isNotEqualTo(before);
                    before = now;
                }
            }
            assertThat(browser.complaints()).isEmpty();
            assertThat(browser.evaluate("document.title").asString()).isEqualTo(Reports.HOSTILE);
            assertThat(browser.evaluate("document.querySelectorAll('img').length")
                            .asInt())
                    .isZero();
            // uPlot's legend shows names too.
            assertThat(browser.evaluate("document.querySelector('#quality .u-legend').textContent")
                            .asString())
                    .contains(Reports.HOSTILE);
        }
    }

    @Test
    void plotsAnswerToPointerAndButtons() throws Exception {
        Path page = page();
        try (Browser browser = Browser.require(folder.resolve("profile"))) {
            browser.open(page, 1280, 900, false);
            // The points are where the figures say: something is painted there, and nothing beside it.
            assertThat(painted(browser, 2.5, 0.03)).isGreaterThan(20);
            assertThat(painted(browser, 3.5, 0.02)).isZero();

            // The pointer over the middle window shows its perplexity in the legend.
            browser.evaluate("document.querySelector('#running').scrollIntoView({block: 'center'})");
            JsonNode place = browser.evaluate(
                    "(() => { const u = quernPlots.find(p => p.parent.id === 'running').made; const r ="
                            + " u.over.getBoundingClientRect(); return [r.left + u.valToPos(2, 'x'), r.top + r.height /"
                            + " 2]; })()");
            browser.mouse("mouseMoved", place.get(0).asDouble(), place.get(1).asDouble());
            browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
            String legend = browser.evaluate("document.querySelector('#running .u-legend').textContent")
                    .asString();
            assertThat(legend).contains("Q8_052").contains("base: source51");

            // A press on the legend hides a curve.
            press(browser, "#running .u-legend .u-series:nth-child(2) th");
            assertThat(browser.evaluate("quernPlots.find(p => p.parent.id === 'running').made.series[1].show")
                            .asBoolean())
                    .isFalse();

            // Buttons change what is drawn.
            press(browser, "#quality .choice:nth-of-type(3) button:nth-child(2)");
            assertThat(browser.evaluate("quernPlots.find(p => p.parent.closest('#quality')).made.scales.y.distr")
                            .asInt())
                    .isEqualTo(3);
            press(browser, "#quality .choice:nth-of-type(2) button:nth-child(2)");
            assertThat(browser.evaluate(
                                    "document.querySelector('#quality [aria-pressed=true]:nth-child(2)').textContent")
                            .asString())
                    .isEqualTo("perplexity");

            // A tensor says its figures when it is pressed.
            press(browser, "#heat button[aria-label^='blk.3.attn_q']");
            assertThat(browser.evaluate("document.querySelector('#heat .said').textContent")
                            .asString())
                    .isEqualTo(
                            "blk.3.attn_q.weight: Q4_0, relative error 8 %, RMSE 0.002, largest 0.05, cosine 0.999000");
            // So does what choosing its codes together has gained, of the output of which it was done.
            assertThat(browser.evaluate("document.querySelectorAll('#gains button').length")
                            .asInt())
                    .isEqualTo(4);
            press(browser, "#gains button[aria-label^='blk.1.attn_q']");
            assertThat(gainSaid(browser))
                    .isEqualTo("blk.1.attn_q.weight: Q4_0, layer error 0.04 with the reference\u2019s codes, 0.02 with"
                            + " those chosen together (0.500), kept");
            press(browser, "#gains button[aria-label^='blk.3.ffn_up']");
            assertThat(gainSaid(browser)).endsWith("(0.500), kept in 75 %");
            press(browser, "#gains button.stayed");
            assertThat(gainSaid(browser))
                    .startsWith("blk.3.attn_q.weight")
                    .endsWith("(1.500), the reference\u2019s codes stayed");
            press(browser, "#chosen button[aria-label^='blk.2.attn_q']");
            assertThat(browser.evaluate("document.querySelector('#chosen .said').textContent")
                            .asString())
                    .isEqualTo("blk.2.attn_q.weight: Q4_0, 288 bytes; target: 2.00e-02 nats");
            assertThat(browser.evaluate("document.querySelector('#chosen tbody tr:nth-child(2)').textContent")
                            .asString())
                    .isEqualTo("target_size 2.5MB25000004.5003.000e-20.2 %");
            // The more is gained the greener: what stayed has the paper's band.
            assertThat(greenness(browser, "blk.0.attn_q")).isGreaterThan(greenness(browser, "blk.1.attn_q"));
            assertThat(greenness(browser, "blk.1.attn_q")).isGreaterThan(greenness(browser, "blk.3.attn_q") + 10);
            assertThat(browser.complaints()).isEmpty();
        }
    }

    private static String gainSaid(Browser browser) throws Exception {
        return browser.evaluate("document.querySelector('#gains .said').textContent")
                .asString();
    }

    /** How much more green than red a tensor's square is painted, of 255. */
    private static int greenness(Browser browser, String tensor) throws Exception {
        return browser.evaluate("(() => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle ="
                        + " getComputedStyle(document.querySelector(`#gains button[aria-label^='" + tensor
                        + "']`)).backgroundColor; c.fillRect(0, 0, 1, 1); const d = c.getImageData(0, 0, 1, 1).data;"
                        + " return d[1] - d[0]; })()")
                .asInt();
    }

    private static void press(Browser browser, String selector) throws Exception {
        JsonNode at = browser.evaluate("(() => { const e = document.querySelector(" + "`" + selector + "`"
                + "); e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
                + " return [r.left + r.width / 2, r.top + r.height / 2]; })()");
        browser.mouse("mousePressed", at.get(0).asDouble(), at.get(1).asDouble());
        browser.mouse("mouseReleased", at.get(0).asDouble(), at.get(1).asDouble());
        browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /** Pixels of the series' colour around a point of the size and quality plot. */
    private static int painted(Browser browser, double megabytes, double kld) throws Exception {
        return browser.evaluate("(() => { const u = quernPlots.find(p => p.parent.closest('#quality')).made;"
                        + " const x = Math.round(u.valToPos(" + megabytes + ", 'x', true)), y = Math.round(u.valToPos("
                        + kld
                        + ", 'y', true)); const d = u.ctx.getImageData(x - 6, y - 6, 12, 12).data; let n = 0;"
                        + " for (let i = 0; i < d.length; i += 4)"
                        + " if (d[i] === 0x44 && d[i + 1] === 0x77 && d[i + 2] === 0xaa) n++; return n; })()")
                .asInt();
    }
}
