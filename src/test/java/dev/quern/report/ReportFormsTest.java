package dev.quern.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.quern.io.InputException;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** One report in all its forms: complete, readable by what reads such forms, and no form's markup made by a name. */
class ReportFormsTest {
    @TempDir
    Path folder;

    private Path write(String text) throws Exception {
        return Files.writeString(folder.resolve("report.json"), text);
    }

    @Test
    void jsonIsReadAsItWasWritten() throws Exception {
        RunReport report = Reports.hostile();
        assertThat(ReportFile.read(write(ReportFile.json(report)))).isEqualTo(report);
    }

    /** What an earlier version wrote, before single tensors' gains were in reports. */
    @Test
    void earlierReportsAreRead() {
        RunReport earlier = ReportFile.read(Path.of("test-data/report/earlier-report.json"));
        RunReport.OutputResult output = earlier.outputs().getFirst();
        assertThat(output.options()).containsEntry("method", "compensated");
        assertThat(output.codesChosenTogether()).isEmpty();
        assertThat(ReportFile.json(earlier)).doesNotContain("codes_chosen_together");
        assertThat(Summary.choices(earlier)).isEmpty();
        assertThat(RunComparison.of(earlier, earlier).text())
                .contains("one/Q4_0")
                .contains("same");
        assertThat(HtmlReport.page(earlier)).contains("one");
    }

    @Test
    void gainsAreALineInEveryForm() {
        String line =
                "/small: codes chosen together were kept in 3 of 4 tensors; median error of their layers on text held"
                        + " back: 0.50 of the reference's";
        RunReport report = Reports.report("one", 0.03);
        assertThat(Summary.text(report)).containsOnlyOnce("\none" + line + "\n");
        assertThat(MarkdownReport.text(report)).containsOnlyOnce("\n- one" + line + "\n");
        assertThat(HtmlReport.page(report)).containsOnlyOnce("<li>one" + line.replace("'", "&#39;") + "</li></ul>");
        assertThat(MarkdownReport.text(Reports.hostile())).contains("\\|\\`\\*&#64;you/small: codes");
    }

    @Test
    void aTargetIsALineInEveryForm() {
        String line = "/small: types of 2 tensors were chosen for target_size 2.5MB: predicted KLD 0.03000, of which"
                + " at most 0.20 % could be spared at this size";
        RunReport report = Reports.report("one", 0.03);
        assertThat(Summary.text(report)).containsOnlyOnce("\none" + line + "\n");
        assertThat(MarkdownReport.text(report)).containsOnlyOnce("\n- one" + line.replace("_", "\\_") + "\n");
        assertThat(HtmlReport.page(report)).containsOnlyOnce("<ul class=\"choices\"><li>one" + line + "</li>");
    }

    @Test
    void otherJsonIsRefused() throws Exception {
        String good = ReportFile.json(Reports.hostile());
        assertRefused("{}", "expected a report (\"format\": \"quern-report\"), found another file");
        assertRefused("[", "Unexpected end-of-input");
        assertRefused(good.replace("\"version\" : 1,", "\"version\" : 2,"), "version: expected 1, found 2");
        assertRefused(
                good.replaceFirst("\"exit_code\" : 3", "\"exit_code\" : 5"), "exit_code: expected one of 0, 1, 3");
        assertRefused(good.replaceFirst("\"bytes\" : 9", "\"bytes\" : -9"), "files[0].bytes: expected at least 0");
        assertRefused(good.replaceFirst("\"bytes\" : 9", "\"bytes\" : null"), "expected a whole number, found nothing");
        assertRefused(good.replaceFirst("\"kept\" : 1.0", "\"kept\" : 1.5"), "[0].kept: expected at most 1");
        assertRefused(
                good.replaceFirst("\"layer_error_reference\" : 0.04,", ""),
                "codes_chosen_together[0]: expected a key 'layer_error_reference', found none");
        assertRefused(good.replaceFirst("\"name\"", "\"nom\""), "expected one of format, version, name");
    }

    private void assertRefused(String json, String problem) throws Exception {
        Path file = write(json);
        assertThatThrownBy(() -> ReportFile.read(file))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(problem);
    }

    @Test
    void junitHasOneCaseForEachGate() throws Exception {
        Document document = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(
                        JunitReport.xml(Reports.hostile()).getBytes(StandardCharsets.UTF_8)));
        NodeList suites = document.getElementsByTagName("testsuite");
        assertThat(suites.getLength()).isEqualTo(2);
        Element first = (Element) suites.item(0);
        assertThat(first.getAttribute("name")).isEqualTo(Reports.HOSTILE);
        assertThat(first.getAttribute("tests")).isEqualTo("2");
        assertThat(first.getAttribute("failures")).isEqualTo("1");
        Element failure = (Element) first.getElementsByTagName("failure").item(0);
        assertThat(failure.getAttribute("message")).isEqualTo("found 0.03");
        Element second = (Element) suites.item(1);
        assertThat(second.getAttribute("errors")).isEqualTo("1");
        assertThat(second.getElementsByTagName("error").getLength()).isEqualTo(1);
    }

    @Test
    void junitHoldsWhatXmlCannotWrite() throws Exception {
        String xml = JunitReport.xml(Reports.report("bell\u0007", 0.1));
        assertThat(xml).contains("name=\"bell\ufffd\"");
    }

    @Test
    void markdownIsATableAndNothingElse() {
        String markdown = MarkdownReport.text(Reports.hostile());
        assertThat(markdown.replace("<sub>", "").replace("</sub>", "")).doesNotContain("<");
        assertThat(markdown).contains("\\|\\`\\*&#64;you");
        long columns = markdown.lines()
                .filter(line -> line.startsWith("| source"))
                .findFirst()
                .orElseThrow()
                .chars()
                .filter(c -> c == '|')
                .count();
        assertThat(markdown.lines().filter(line -> line.startsWith("|")))
                .allSatisfy(line -> assertThat(line.replace("\\|", "")
                                .chars()
                                .filter(c -> c == '|')
                                .count())
                        .isEqualTo(columns));
    }

    @Test
    void pageHoldsNoMarkupOfNames() {
        String page = HtmlReport.page(Reports.hostile());
        assertThat(page).doesNotContain("<img").contains("&lt;img src=x");
        assertThat(page.split("<script", -1)).hasSize(4);
        assertThat(page.split("</script", -1)).hasSize(4);
    }

    /** Nothing is fetched: no address but those of SVG's and licences' kind, and a policy that forbids it anyway. */
    @Test
    void pageNeedsNothingElse() {
        String page = HtmlReport.page(Reports.hostile());
        Matcher sources =
                Pattern.compile("(?i)(src|href)\\s*=\\s*[\"']").matcher(page.replaceAll("(?s)<script.*?</script>", ""));
        assertThat(sources.find()).isFalse();
        assertThat(page).contains("default-src 'none'").contains("script-src 'sha256-");
        assertThat(page).doesNotContain("@import").doesNotContain("url(");
    }

    @Test
    void comparisonShowsWhatChanged() {
        RunReport before = Reports.report("one", 0.03);
        String same = RunComparison.of(before, before).text();
        assertThat(same).contains("one/Q8_0").contains("same").doesNotContain("%");
        String worse = RunComparison.of(before, Reports.report("one", 0.06)).text();
        assertThat(worse)
                .containsPattern("one/small .*0\\.06000 +\\+100\\.00 % \\*")
                .contains("still failing");
        String other = RunComparison.of(before, Reports.report("two", 0.03)).text();
        assertThat(other).contains("only in the first").contains("only in the second");
        assertThat(RunComparison.of(before, Reports.hostile()).markdown()).doesNotContain("<img");
    }
}
