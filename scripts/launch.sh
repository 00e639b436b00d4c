# Sourced by scripts/quern and by the launcher of a packaged image: how Java runs a command.

# Commands that do no arithmetic run without the vector module: the JVM starts faster and stays silent. It
# announces every incubator module on stderr, which no option turns off, and filtering stderr through a pipe
# would cost the others the terminal that their progress bars are drawn on.
light="|inspect|hash|man|completion|help|--help|-h|--version|-V|"

# light or full, by the command's name.
profile_of() {
    case "$light" in
        *"|${1:---help}|"*) echo light ;;
        *) echo full ;;
    esac
}

# Megabytes of heap that a command may take. Matrices of second moments are as large as the square of a layer's
# width: one of 11,008 columns takes half a gigabyte, and choosing codes together holds four at a time.
heap_of() {
    case " $* " in
        *" compensated "* | *"=compensated "*) echo 5g && return ;;
    esac
    if [ "${1:-}" = run ]; then
        for word in "$@"; do
            if [ -f "$word" ] && grep -q compensated "$word"; then
                echo 5g && return
            fi
        done
    fi
    echo 1g
}

# options light|full HEAP
options() {
    [ "$1" = light ] || {
        # Most of what a start runs it runs some hundred times and never again. By the JVM's own measure that is worth
        # compiling: a third of the processor time of a conversion of 1.1 billion values to Q8_0.
        echo "--add-modules=jdk.incubator.vector -XX:CompileCommand=quiet -XX:CompileThresholdScaling=5"
        # Kernels are compiled in the foreground: one that is not compiled yet runs some hundred times slower than one
        # that is, so waiting for the compiler costs less than working beside it. Of everything else the opposite is
        # true. (Factors of single methods come on top of the one above.)
        for package in dev.quern.quantization dev.quern.tensor dev.quern.evaluation dev.quern.compensation jdk.incubator.vector; do
            echo "-XX:CompileCommand=BackgroundCompilation,$package.*::*,false"
            echo "-XX:CompileCommand=CompileThresholdScaling,$package.*::*,0.2"
        done
        # Soon, too: compiled first, a kernel takes in what it calls of the vector module, which otherwise gets
        # compiled piece by piece before. They need no profile (see dev.quern.quantization.simd.Lanes).
        searches=dev.quern.quantization.codes
        for kernels in 'dev.quern.quantization.simd.*' "$searches.EvenSums" "$searches.FineSums" \
            "$searches.OffsetSums" dev.quern.pipeline.FiniteCheck; do
            echo "-XX:CompileCommand=CompileThresholdScaling,$kernels::*,0.004"
        done
        # Only what C2 has compiled uses the processor's own SHA-256.
        echo "-XX:CompileCommand=CompileThresholdScaling,sun.security.provider.DigestBase::*,0.002"
        echo "-XX:CompileCommand=BackgroundCompilation,sun.security.provider.DigestBase::*,false"
    }
    # Tensors live in file mappings and worker buffers, so the heap is small and the plainest collector enough.
    echo "--enable-native-access=ALL-UNNAMED -XX:+UseSerialGC -Xmx$2"
}

# Records which classes commands load, and keeps them parsed for the next start: a start that reads JSON takes half as
# long. Quern works without a record, so a failure here is none.
#   train JAVA JAR RECORD light|full COMMAND… [-- COMMAND…]
train() {
    train_java=$1 train_jar=$2 train_record=$3 train_profile=$4
    shift 4
    set -f # options hold asterisks
    # shellcheck disable=SC2046 # options are words: splitting them is the point
    if [ "$train_profile" = light ]; then
        # Classes linked to each other as well (JEP 483, 514).
        "$train_java" $(options light 1g) -XX:AOTCacheOutput="$train_record" \
            -cp "$train_jar" dev.quern.cli.StartTraining "$@" >/dev/null 2>&1 </dev/null || true
    else
        # The JDK links none beside an incubator module, and leaves the classes of lambdas out then; the older kind of
        # record has them. Nor is it filled with what C2 compiled, which the next start would compile at once.
        "$train_java" $(options full 1g) -Xshare:off -XX:DumpLoadedClassList="$train_record.classes" \
            -cp "$train_jar" dev.quern.cli.StartTraining "$@" >/dev/null 2>&1 </dev/null || true
        "$train_java" $(options full 1g) -Xshare:dump -XX:SharedClassListFile="$train_record.classes" \
            -XX:SharedArchiveFile="$train_record" -cp "$train_jar" >/dev/null 2>&1 </dev/null || true
        rm -f "$train_record.classes"
    fi
    set +f
}

# Both records, from what people do with a checkpoint in Hugging Face's layout and, beside it, in Meta's.
#   train_all JAVA JAR FOLDER-OF-RECORDS MODEL, with MODEL-meta beside it
train_all() {
    train_work=$(mktemp -d)
    printf '%s\n' 'version: 1' "sources: ['$4']" 'outputs: [Q8_0]' 'gates: {all: {size: 9MB}}' >"$train_work/recipe.yaml"
    train "$1" "$2" "$3/quern-light.aot" light \
        --help -- inspect "$4" -- inspect "$4" --json -- inspect "$4-meta" -- man convert -- completion bash &
    train "$1" "$2" "$3/quern-full.jsa" full \
        convert "$4" -o "$train_work" -t Q4_0,Q8_0,Q4_K_M --manifest "$train_work/manifest" -- \
        convert "$4" -t Q4_0 --dry-run -- convert "$4-meta" -t Q4_0 --dry-run -- \
        convert "$4" -o "$train_work/f16.gguf" -t F16 -- \
        quantize "$train_work/f16.gguf" "$train_work/small.gguf" Q4_K_M -- run "$train_work/recipe.yaml" &
    wait
    rm -rf "$train_work"
}

# Becomes the Java process, so that exit code, signals and terminal are Java's own. The JVM checks that the record
# fits it and this jar, and starts without it if not; its word on that is for developers of JVMs.
#   launch JAVA JAR FOLDER-OF-RECORDS HOME COMMAND…
launch() {
    launch_java=$1 launch_jar=$2 launch_records=$3 launch_home=$4
    shift 4
    profile=$(profile_of "${1:-}")
    # Where nothing runs long, the better compiler costs more than it gives; hashes are the exception.
    quick=
    [ "$profile" = full ] || [ "${1:-}" = hash ] || quick=-XX:TieredStopAtLevel=1
    startup=
    if [ "$profile" = light ]; then
        [ ! -f "$launch_records/quern-light.aot" ] || startup=-XX:AOTCache=$launch_records/quern-light.aot
    else
        [ ! -f "$launch_records/quern-full.jsa" ] || startup=-XX:SharedArchiveFile=$launch_records/quern-full.jsa
    fi
    # Java cannot ask whether stderr is a terminal.
    terminal=
    [ ! -t 2 ] || terminal=-Dquern.terminal=true
    set -f # options hold asterisks
    # shellcheck disable=SC2046,SC2086
    exec "$launch_java" $(options "$profile" "$(heap_of "$@")") $quick ${startup:+"$startup" "-Xlog:aot*=off" "-Xlog:cds*=off"} \
        "-Dquern.home=$launch_home" $terminal ${QUERN_JAVA_OPTS:-} \
        -jar "$launch_jar" "$@"
}
