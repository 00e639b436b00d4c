"""What the benchmarks share: running, the page cache, sizes, tables."""
import contextlib
import ctypes
import functools
import json
import mmap
import os
import platform
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SCRIPTS = os.path.join(ROOT, "scripts")
QUERN = os.path.join(SCRIPTS, "quern")
PAGE = mmap.PAGESIZE


def folder():
    path = os.environ.get("QUERN_BENCH_DIR") or os.path.join(ROOT, "target", "bench")
    os.makedirs(path, exist_ok=True)
    return path


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def build():
    """Builds Quern now, so that no measured run does."""
    subprocess.run([QUERN, "--version"], check=True, stdout=subprocess.DEVNULL)


@functools.cache
def test_classes():
    """Compiles the test classes if need be: the java, the class path, and the folder of llama.cpp's libraries."""
    subprocess.run([os.path.join(SCRIPTS, "fetch-oracle")], check=True, stdout=subprocess.DEVNULL)
    libraries = os.path.join(ROOT, "build-cache/oracle/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64")
    if not os.path.exists(os.path.join(libraries, "libggml-base.so")):
        sys.exit(f"bench: llama.cpp's libraries are not in {libraries}")
    target = os.path.join(ROOT, "target")
    listed = os.path.join(target, "test.classpath")
    goals = ["test-compile", "dependency:build-classpath"]
    switches = ["-q", "-B", "-ntp", "-Dstyle.color=never", "-Djacoco.skip=true", f"-Dmdep.outputFile={listed}"]
    say("compiling the peer's driver")
    subprocess.run(["mvn", *switches, *goals], check=True, cwd=ROOT, stdout=sys.stderr)
    find = f'. "{SCRIPTS}/jdk.sh" && require_jdk bench && echo "$jdk"'
    jdk = subprocess.run(["sh", "-c", find], check=True, capture_output=True, text=True).stdout.strip()
    with open(listed) as line:
        classpath = os.pathsep.join([f"{target}/test-classes", f"{target}/classes", line.read().strip()])
    return f"{jdk}/bin/java", classpath, libraries


def test_program(name, options=()):
    """How to start a program among the test classes, with llama.cpp's libraries."""
    java, classpath, libraries = test_classes()
    switches = ["--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED", f"-Dquern.oracle={libraries}"]
    return [java, *switches, *options, "-cp", classpath, name]


# enum llama_ftype, llama.h
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37,
}  # fmt: skip


def machine():
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()[0]}


def revision():
    found = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def measured(command, output=os.devnull):
    """Runs a command under memory-of; its report, or an end to the benchmark where the command fails."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report, open(output, "wb") as said:
        memory_of = [os.path.join(SCRIPTS, "memory-of"), "--json", "--output", report.name]
        done = subprocess.run(memory_of + command, stdout=said)
        if done.returncode != 0:
            sys.exit(f"bench: exit status {done.returncode} from: {' '.join(command)}")
        return json.load(report)


def synthetic(preset, layout, more=()):
    """
    The folder of a synthetic checkpoint, made unless it is there; what make-synthetic said about it; and whether it was
    made now, so that who kept one from before keeps it.
    """
    name = "-".join([preset, layout] + [word.strip("-") for word in more])
    path = os.path.join(folder(), name)
    record = path + ".json"
    made_now = not os.path.exists(record)
    if not made_now:
        say(f"using {path}")
    else:
        say(f"making {path}")
        shutil.rmtree(path, ignore_errors=True)
        command = [os.path.join(SCRIPTS, "make-synthetic"), preset, "--layout", layout, "-o", path, "--json", *more]
        made = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if made.returncode != 0:
            sys.exit(made.returncode)
        with open(record, "w") as out:
            out.write(made.stdout)
    with open(record) as lines:
        return path, json.load(lines), made_now


def remove_synthetic(path):
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(path + ".json")


def require_space(needed):
    free = shutil.disk_usage(folder()).free
    if free < needed:
        sys.exit(f"bench: {folder()}: {needed:,} bytes are needed, {free:,} are free; set QUERN_BENCH_DIR")


def files(path):
    return [entry.path for entry in sorted(os.scandir(path), key=lambda entry: entry.name)]


def cached(paths):
    """What share of the files' bytes is in the page cache, by mincore."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    resident = pages = 0
    for path in paths:
        size = os.path.getsize(path)
        if size == 0:
            continue
        count = -(-size // PAGE)
        states = (ctypes.c_ubyte * count)()
        # Private and writable only because ctypes takes the address of nothing else; nothing is written.
        with open(path, "rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
            first = ctypes.c_ubyte.from_buffer(mapped)
            failed = libc.mincore(ctypes.addressof(first), size, states)
            del first
        if failed:
            return None
        resident += sum(bytes(states).translate(LOWEST_BIT))
        pages += count
    return resident / pages if pages else 1.0


LOWEST_BIT = bytes(value & 1 for value in range(256))


def drop_from_cache(paths):
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def cat(paths):
    """Seconds that cat needs to read the files to /dev/null."""
    start = time.monotonic()
    # cat looks whether its output is /dev/null; through a pipe of its own it would do other work.
    subprocess.run(["cat", *paths], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def gguf(path):
    """
    What a GGUF file holds, read to the end of its tensors' descriptions: where the data begins, and of each tensor by
    name its dimensions and ggml type.
    """
    widths = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    alignment = 32
    found = {}
    with open(path, "rb") as file:

        def number(code):
            return struct.unpack("<" + code, file.read(struct.calcsize(code)))[0]

        def text():
            return file.read(number("Q"))

        def skip(kind):
            if kind == 8:
                text()
            elif kind == 9:
                element, count = number("I"), number("Q")
                if element in widths:
                    file.seek(widths[element] * count, os.SEEK_CUR)
                else:
                    for _ in range(count):
                        skip(element)
            else:
                file.seek(widths[kind], os.SEEK_CUR)

        if file.read(4) != b"GGUF":
            sys.exit(f"bench: {path} is not a GGUF file")
        number("I")
        tensors, pairs = number("Q"), number("Q")
        for _ in range(pairs):
            key, kind = text(), number("I")
            if key == b"general.alignment":
                alignment = number("I")
            else:
                skip(kind)
        for _ in range(tensors):
            name = text().decode()
            dimensions = [number("Q") for _ in range(number("I"))]
            found[name] = (dimensions, number("I"))
            file.seek(8, os.SEEK_CUR)
        return -(-file.tell() // alignment) * alignment, found


# Bytes of a block and its length, as ggml has them.
BLOCKS = {
    "F32": (4, 1),
    "F16": (2, 1),
    "BF16": (2, 1),
    "Q8_0": (34, 32),
    "Q4_0": (18, 32),
    "Q4_1": (20, 32),
    "Q5_0": (22, 32),
    "Q5_1": (24, 32),
    "Q6_K": (210, 256),
}


def expected_tensor_bytes(shape, file_type):
    """
    Bytes of all tensors of a LLaMA model, each padded to 32, by llama-quantize's rules: vectors F32, the output matrix
    Q6_K (it is the embedding where both are one) unless the type is Q8_0 or a float. None where the type's mix is not that plain.
    """
    if file_type not in BLOCKS or file_type == "Q6_K" or shape["width"] % 256 or shape["ffn"] % 256:
        return None
    plain = file_type in ("F32", "F16", "BF16", "Q8_0")

    def size(kind, elements):
        block, length = BLOCKS[kind]
        return -(-elements // length * block // 32) * 32

    width, ffn, vocabulary = shape["width"], shape["ffn"], shape["vocab"]
    kv = width // shape["heads"] * shape["kv_heads"]
    layer = 2 * size(file_type, width * width) + 2 * size(file_type, kv * width) + 3 * size(file_type, ffn * width)
    total = shape["layers"] * (layer + 2 * size("F32", width)) + size("F32", width)
    total += size(file_type if plain else "Q6_K", vocabulary * width)
    if not shape["tied"]:
        total += size(file_type, vocabulary * width)
    return total


def write_importance(path, model):
    """An importance matrix for every matrix of a model, in the old format: log-normal, from a fixed seed."""
    numbers = random.Random(1)
    _, tensors = gguf(model)
    matrices = {name: shape[0] for name, (shape, _) in tensors.items() if len(shape) > 1}
    with open(path, "wb") as out:
        out.write(struct.pack("<i", len(matrices)))
        for name, width in matrices.items():
            values = [numbers.lognormvariate(0, 1) for _ in range(width)]
            out.write(struct.pack("<i", len(name)) + name.encode())
            out.write(struct.pack("<ii", 1, width) + struct.pack(f"<{width}f", *values))
        dataset = b"random"
        out.write(struct.pack("<ii", 1, len(dataset)) + dataset)


def table(rows):
    """Rows of cells, the first row being the heading; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for at, row in enumerate(cells):
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
        if at == 0:
            print("  ".join("-" * w for w in widths))


def write_json(target, results):
    text = json.dumps(results, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        with open(target, "w") as out:
            out.write(text)
