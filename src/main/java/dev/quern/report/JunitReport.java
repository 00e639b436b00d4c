package dev.quern.report;

import java.io.StringWriter;
import java.util.List;
import java.util.Locale;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/**
 * A run as JUnit XML, which CI systems show as tests: a suite for each source, a case for each gate; a source that was
 * refused or failed has a case of its own with the error.
 */
public final class JunitReport {
    private JunitReport() {}

    public static String xml(RunReport report) {
        StringWriter text = new StringWriter();
        try {
            XMLStreamWriter out = XMLOutputFactory.newDefaultFactory().createXMLStreamWriter(text);
            out.writeStartDocument("UTF-8", "1.0");
            start(out, 0, "testsuites");
            attribute(out, "name", report.name());
            attribute(out, "time", String.format(Locale.ROOT, "%.3f", report.seconds()));
            for (RunReport.SourceResult source : report.sources()) {
                suite(out, source, report.started());
            }
            end(out, 0);
            out.writeEndDocument();
            out.close();
        } catch (XMLStreamException e) {
            throw new IllegalStateException(e); // A StringWriter takes everything.
        }
        return text + "\n";
    }

    private static void suite(XMLStreamWriter out, RunReport.SourceResult source, String started)
            throws XMLStreamException {
        boolean broken = source.status() == RunReport.Status.REFUSED || source.status() == RunReport.Status.FAILED;
        List<RunReport.GateResult> gates = source.outputs().stream()
                .flatMap(output -> output.gates().stream())
                .toList();
        start(out, 1, "testsuite");
        attribute(out, "name", source.name());
        attribute(out, "tests", "" + (gates.size() + (broken ? 1 : 0)));
        attribute(out, "failures", "" + count(gates, RunReport.Verdict.FAILED));
        attribute(out, "errors", broken ? "1" : "0");
        attribute(out, "skipped", "" + count(gates, RunReport.Verdict.NOT_JUDGED));
        attribute(
                out,
                "time",
                String.format(
                        Locale.ROOT,
                        "%.3f",
                        source.steps().stream()
                                .mapToDouble(RunReport.Step::seconds)
                                .sum()));
        attribute(out, "timestamp", started.replace("Z", ""));
        if (broken) {
            testcase(out, source.name(), "source", "error", String.valueOf(source.message()));
        }
        for (RunReport.OutputResult output : source.outputs()) {
            for (RunReport.GateResult gate : output.gates()) {
                String name = output.name() + ": " + gate.gate() + (gate.text() == null ? "" : " on " + gate.text());
                testcase(
                        out,
                        source.name(),
                        name,
                        switch (gate.verdict()) {
                            case PASSED -> "";
                            case FAILED -> "failure";
                            case NOT_JUDGED -> "skipped";
                        },
                        gate.message());
            }
        }
        end(out, 1);
    }

    private static void testcase(XMLStreamWriter out, String source, String name, String outcome, String message)
            throws XMLStreamException {
        start(out, 2, "testcase");
        attribute(out, "classname", source);
        attribute(out, "name", name);
        if (!outcome.isEmpty()) {
            start(out, 3, outcome);
            attribute(out, "message", message);
            out.writeEndElement();
            end(out, 2);
        } else {
            out.writeEndElement();
        }
    }

    private static long count(List<RunReport.GateResult> gates, RunReport.Verdict verdict) {
        return gates.stream().filter(gate -> gate.verdict() == verdict).count();
    }

    private static void start(XMLStreamWriter out, int depth, String name) throws XMLStreamException {
        out.writeCharacters("\n" + "  ".repeat(depth));
        out.writeStartElement(name);
    }

    private static void end(XMLStreamWriter out, int depth) throws XMLStreamException {
        out.writeCharacters("\n" + "  ".repeat(depth));
        out.writeEndElement();
    }

    private static void attribute(XMLStreamWriter out, String name, String value) throws XMLStreamException {
        out.writeAttribute(name, storable(value));
    }

    /** XML 1.0 has no way to write most control characters. */
    private static String storable(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c -> out.appendCodePoint(
                        c < 0x20 || (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff ? 0xfffd : c));
        return out.toString();
    }
}
