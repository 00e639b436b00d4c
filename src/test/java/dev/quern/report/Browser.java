package dev.quern.report;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A headless Chromium, driven through the Chrome DevTools Protocol over Java's own WebSocket. */
final class Browser implements AutoCloseable {
    private static final long SECONDS = 30;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Process process;
    private final WebSocket socket;
    private final Map<Integer, CompletableFuture<JsonNode>> waiting = new ConcurrentHashMap<>();
    private final List<String> complaints = new CopyOnWriteArrayList<>();
    private final String session;
    private int next = 1;

    private Browser(Process process, URI address) throws Exception {
        this.process = process;
        this.socket = HttpClient.newHttpClient()
                .newWebSocketBuilder()
                .buildAsync(address, new Messages())
                .get(SECONDS, TimeUnit.SECONDS);
        String target = send("", "Target.createTarget", Map.of("url", "about:blank"))
                .at("/result/targetId")
                .asString();
        session = send("", "Target.attachToTarget", Map.of("targetId", target, "flatten", true))
                .at("/result/sessionId")
                .asString();
        call("Page.enable", Map.of());
        call("Runtime.enable", Map.of());
        call("Log.enable", Map.of());
    }

    /** Where no Chromium is, the test is skipped, and fails if the environment says QUERN_REQUIRE_BROWSER=1. */
    static Browser require(Path profile) throws Exception {
        Optional<Path> chromium = Stream.of(System.getenv("PATH").split(":"))
                .flatMap(folder -> Stream.of("chromium", "chromium-browser", "google-chrome")
                        .map(name -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .findFirst();
        if (chromium.isEmpty()) {
            String message =
                    "no chromium on the PATH: the report's page was not looked at (Debian: apt-get install chromium)";
            if ("1".equals(System.getenv("QUERN_REQUIRE_BROWSER"))) {
                throw new AssertionError(message);
            }
            Assumptions.abort(message);
        }
        Process process = new ProcessBuilder(
                        chromium.orElseThrow().toString(),
                        "--headless",
                        // Chromium refuses to run as root with its sandbox; the page is our own.
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-dev-shm-usage",
                        "--no-first-run",
                        "--remote-debugging-port=0",
                        "--user-data-dir=" + profile,
                        "about:blank")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            BufferedReader lines = process.errorReader(StandardCharsets.UTF_8);
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("DevTools listening on ")) {
                    drain(lines);
                    return new Browser(process, URI.create(line.substring("DevTools listening on ".length())));
                }
            }
            throw new IllegalStateException("chromium ended before it listened");
        } catch (Exception e) {
            process.destroyForcibly();
            throw e;
        }
    }

    private static void drain(BufferedReader lines) {
        Thread.ofVirtual().start(() -> {
            try {
                while (lines.readLine() != null) {
                    Thread.onSpinWait();
                }
            } catch (IOException e) {
                // The process has ended.
                Thread.currentThread().interrupt();
            }
        });
    }

    private final class Messages implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                JsonNode message = JSON.readTree(text.toString());
                text.setLength(0);
                CompletableFuture<JsonNode> answer =
                        waiting.remove(message.path("id").asInt(0));
                if (answer != null) {
                    answer.complete(message);
                }
                String method = message.path("method").asString("");
                boolean error = message.at("/params/entry/level").asString("").equals("error");
                if (method.equals("Runtime.exceptionThrown") || (method.equals("Log.entryAdded") && error)) {
                    complaints.add(message.get("params").toString());
                }
            }
            webSocket.request(1);
            return CompletableFuture.completedStage(null);
        }
    }

    private JsonNode send(String to, String method, Map<String, ?> parameters) throws Exception {
        int id = next++;
        CompletableFuture<JsonNode> answer = new CompletableFuture<>();
        waiting.put(id, answer);
        var message =
                new java.util.LinkedHashMap<String, Object>(Map.of("id", id, "method", method, "params", parameters));
        if (!to.isEmpty()) {
            message.put("sessionId", to);
        }
        socket.sendText(JSON.writeValueAsString(message), true).get(SECONDS, TimeUnit.SECONDS);
        JsonNode result = answer.get(SECONDS, TimeUnit.SECONDS);
        if (result.has("error")) {
            throw new IllegalStateException(method + ": " + result.get("error"));
        }
        return result;
    }

    JsonNode call(String method, Map<String, ?> parameters) throws Exception {
        return send(session, method, parameters).get("result");
    }

    /** @param width of the window in CSS pixels; a narrow one is a phone's */
    void open(Path page, int width, int height, boolean dark) throws Exception {
        call(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 500));
        call(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", dark ? "dark" : "light"))));
        call("Page.navigate", Map.of("url", page.toUri().toString()));
        for (int i = 0; i < 300 && !evaluate("document.readyState").asString("").equals("complete"); i++) {
            Thread.sleep(20);
        }
        // Two frames: plots draw in the one after the one they were made in.
        evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    JsonNode evaluate(String expression) throws Exception {
        JsonNode result =
                call("Runtime.evaluate", Map.of("expression", expression, "returnByValue", true, "awaitPromise", true));
        if (result.has("exceptionDetails")) {
            throw new IllegalStateException(expression + ": " + result.get("exceptionDetails"));
        }
        return result.at("/result/value");
    }

    void mouse(String kind, double x, double y) throws Exception {
        call(
                "Input.dispatchMouseEvent",
                Map.of(
                        "type",
                        kind,
                        "x",
                        x,
                        "y",
                        y,
                        "button",
                        kind.equals("mouseMoved") ? "none" : "left",
                        "clickCount",
                        1));
    }

    byte[] screenshot() throws Exception {
        return Base64.getDecoder()
                .decode(call("Page.captureScreenshot", Map.of("format", "png", "captureBeyondViewport", false))
                        .get("data")
                        .asString());
    }

    /** Errors of scripts, refused requests, violated policies. */
    List<String> complaints() {
        return new ArrayList<>(complaints);
    }

    @Override
    public void close() {
        List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
        all.add(process.toHandle());
        all.forEach(ProcessHandle::destroyForcibly);
        // Its profile's folder can be deleted when nobody writes to it any more.
        all.forEach(handle -> handle.onExit().join());
    }
}
